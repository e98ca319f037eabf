"""Reading and following the output of executions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from jobqueue.errors import AgentNotFound, InvalidInput
from jobqueue.ledger.executions import Executions
from jobqueue.ledger.job_slots import JobSlots
from jobqueue.ledger.jobs import Jobs
from jobqueue.ledger.output import Batch, Output
from jobqueue.model.job import Job
from jobqueue.model.output import HostOutputs, OutputPage
from jobqueue.model.states import FAILURES
from jobqueue.model.target import ANY, NO_HOST

#: Shortest and longest wait for output before the state of the execution is read again, in seconds.
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 0.5
#: The same where all hosts of a job are followed, each with a read of its own.
_LONGEST_WAIT_FOR_ALL = 1.0
#: Hosts that can be followed at once.
MAX_FOLLOWED_HOSTS = 50
#: Bytes of output after which a page takes no further host.
_FULL_PAGE_BYTES = 1024 * 1024


class OutputReader:
    """Output of one execution or of all: one page from an offset, or all of it as it arrives.

    Of a job on many hosts only their names and states are read, and the output of one host after the other.
    """

    def __init__(
        self,
        jobs: Jobs,
        executions: Executions,
        output: Output,
        slots: JobSlots,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._jobs = jobs
        self._executions = executions
        self._output = output
        self._slots = slots
        self._sleep = sleep

    def page(self, job_id: str, hostname: str | None = None, offset: int = 0) -> OutputPage:
        """The output after ``offset``; raises ``JobNotFound``, ``AgentNotFound``, ``InvalidInput``."""
        return self._page(job_id, self._slot(job_id, hostname), offset)

    def follow(
        self, job_id: str, hostname: str | None = None, offset: int = 0, host_before: str = ""
    ) -> Iterator[OutputPage]:
        """Pages as they arrive, the last one ``complete``; an empty page at least every half second.

        An ``_any`` execution is followed to the agent that claims it, also across attempts on several hosts. Offsets
        are specific to a host's output: a client that resumes passes in ``host_before`` the host to which ``offset``
        refers. Raises the errors of ``page``, before the first page.
        """
        slot = self._slot(job_id, hostname)
        return self._follow(job_id, slot, offset, host_before)

    def of_hosts(
        self, job_id: str, after: str = "", limit: int = 20, *, only_failed: bool = False
    ) -> HostOutputs | None:
        """The beginning of the output of up to ``limit`` hosts after the hostname ``after``, in order of their names.

        Fewer hosts if their output is large. ``page`` continues a host's output at its ``next_offset``. None: the job
        has a single execution. Raises ``JobNotFound``.
        """
        job = self._jobs.get(job_id, 0)
        if job.total == 1:
            return None
        hosts = self._printing(job, only_failed=only_failed)
        following = [host for host in hosts if host > after]
        pages: list[OutputPage] = []
        size = 0
        for host in following[:limit]:
            page = self._page(job_id, host, 0)
            pages.append(page)
            size += sum(len(chunk.data) for chunk in page.chunks)
            if size >= _FULL_PAGE_BYTES:
                break
        has_more = len(following) > len(pages)
        return HostOutputs(tuple(pages), len(hosts), pages[-1].hostname if has_more and pages else None)

    def everything(self, job_id: str, *, only_failed: bool = False) -> Iterator[OutputPage]:
        """All output that is available now, host by host in order of hostnames; of each host at least one page.

        Raises ``JobNotFound``, before the first page.
        """
        return self._everything(job_id, self._printing(self._jobs.get(job_id, 0), only_failed=only_failed))

    def _everything(self, job_id: str, slots: list[str]) -> Iterator[OutputPage]:
        for slot in slots:
            page = self._page(job_id, slot, 0)
            yield page
            while page.chunks and not page.complete:
                page = self._page(job_id, slot, page.next_offset)
                if page.chunks:
                    yield page

    def follow_hosts(self, job_id: str) -> Iterator[OutputPage | None] | None:
        """Pages of all hosts as they arrive, the last one of each ``complete``; None now and then: nothing new.

        Returns None if the job has a single execution. Raises ``InvalidInput`` for more than ``MAX_FOLLOWED_HOSTS``
        hosts, and ``JobNotFound``.
        """
        job = self._jobs.get(job_id, 0)
        if job.total == 1:
            return None
        if job.total > MAX_FOLLOWED_HOSTS:
            sentence = (
                f"The job has {job.total} hosts, and at most {MAX_FOLLOWED_HOSTS} can be followed at once: name one "
                "with ?hostname=, or read the output without following it."
            )
            raise InvalidInput(sentence, {"hostname": [f"required for more than {MAX_FOLLOWED_HOSTS} hosts"]})
        return self._follow_hosts(job_id, self._printing(job, only_failed=False))

    def _printing(self, job: Job, *, only_failed: bool) -> list[str]:
        """The slots of a job whose output is asked for, in alphabetical order."""
        if not job.is_broadcast:
            return [x.slot for x in job.executions if not only_failed or x.state in FAILURES]
        names = self._names(job)
        if only_failed:
            states = self._slots.states(job.id, names)
            names = tuple(name for name, state in zip(names, states, strict=True) if state in FAILURES)
        return sorted(names)

    def _names(self, job: Job) -> tuple[str, ...]:
        """The hosts of a broadcast."""
        return self._slots.names(job.id, job.total)

    def _follow_hosts(self, job_id: str, slots: list[str]) -> Iterator[OutputPage | None]:
        offsets = dict.fromkeys(slots, 0)
        wait = _FIRST_WAIT
        while offsets:
            has_news = False
            for slot, offset in list(offsets.items()):
                page = self._page(job_id, slot, offset)
                offsets[slot] = page.next_offset
                if page.complete:
                    del offsets[slot]
                if page.chunks or page.cut or page.complete:
                    has_news = True
                    yield page
            yield None
            wait = _FIRST_WAIT if has_news else min(2 * wait, _LONGEST_WAIT_FOR_ALL)
            if offsets:
                self._sleep(wait)

    def _follow(self, job_id: str, slot: str, offset: int, host: str) -> Iterator[OutputPage]:
        wait = _FIRST_WAIT
        while True:
            page = self._page(job_id, slot, offset)
            if host and page.hostname and page.hostname != host:  # a later attempt, on another host
                page = self._page(job_id, page.hostname, 0)
            host = page.hostname or host
            slot = page.hostname or ANY
            yield page
            if page.complete:
                return
            offset = page.next_offset
            if page.chunks:
                wait = _FIRST_WAIT
                continue
            if slot == ANY or page.ended:  # an end that came too early would end each wait at once
                self._sleep(wait)
            else:
                self._output.wait(job_id, slot, offset, wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _page(self, job_id: str, slot: str, offset: int) -> OutputPage:
        # read the state first: an execution that was final before the read prints nothing more
        slot, state = self._executions.peek(job_id, slot)
        batch = self._output.read(job_id, slot, offset)
        return _show(slot, state.value, batch, offset, complete=state.is_final and (batch.ended or not batch.chunks))

    def _slot(self, job_id: str, hostname: str | None) -> str:
        """The slot of the requested execution."""
        job = self._jobs.get(job_id, 1)
        if hostname is None:
            if job.total > 1:
                names = ", ".join(job.expected_agents[:5])
                raise InvalidInput(
                    f"The job ran on {job.total} agents: name one with ?hostname= ({names}, ...).",
                    {"hostname": ["required for a job on several agents"]},
                )
            return job.executions[0].slot
        if job.executions[0].hostname == hostname:
            return job.executions[0].slot
        if job.is_broadcast and self._executions.exists(job_id, hostname):
            return hostname
        raise AgentNotFound(f"Job {job.id} has no execution on {hostname!r}, or it has not been opened yet.")


def _show(slot: str, state: str, batch: Batch, offset: int, *, complete: bool) -> OutputPage:
    first = batch.chunks[0].start if batch.chunks else offset
    end = batch.chunks[-1].end if batch.chunks else offset
    hostname = "" if slot in NO_HOST else slot
    return OutputPage(hostname, batch.chunks, end, max(0, first - offset), complete, state, batch.ended)
