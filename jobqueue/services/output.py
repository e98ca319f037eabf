"""Reading and following the output of executions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from jobqueue.errors import AgentNotFound, InvalidInput
from jobqueue.ledger.executions import Executions
from jobqueue.ledger.jobs import Jobs
from jobqueue.ledger.output import Batch, Output
from jobqueue.model.output import OutputPage
from jobqueue.model.target import ANY, NO_HOST

#: Shortest and longest wait for output before the state of the execution is read again, in seconds.
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 0.5


class OutputReader:
    """Output of one execution: one page from an offset, or all of it as it arrives."""

    def __init__(
        self, jobs: Jobs, executions: Executions, output: Output, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._jobs = jobs
        self._executions = executions
        self._output = output
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
            if slot == ANY:
                self._sleep(wait)
            elif (batch := self._output.wait(job_id, slot, offset, wait)).chunks:
                yield _show(slot, page.state, batch, offset, complete=False)
                offset, wait = batch.chunks[-1].end, _FIRST_WAIT
                continue
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
    return OutputPage(hostname, batch.chunks, end, max(0, first - offset), complete, state)
