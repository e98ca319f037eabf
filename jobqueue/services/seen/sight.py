"""The part of a job that a principal sees: the executions on its hosts, and what follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobqueue.errors import InvalidTarget
from jobqueue.ledger.job_slots import JobSlots
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_summary import JobSummary
from jobqueue.model.states import ExecutionState, derive_status
from jobqueue.model.target import TargetKind
from jobqueue.model.timeline import Event
from jobqueue.services.targets import parsed
from jobqueue.targets.host_pattern import is_glob
from jobqueue.targets.nodes import Hosts, walk

#: Hosts that a target names which is shown instead of one with hidden hosts.
_NAMED = 20
_NAMED_AGENTS = 1000
#: This many cached names cost as much as one that is read.
_KEPT_COST = 10


@dataclass
class Sight:
    """What is seen of jobs on the hosts that ``hosts`` returns.

    A job is seen if it has an execution on one of them. A job that runs on no agent, waits for one in the shared queue,
    or cannot be read is not seen. ``cost`` counts the slots examined.
    """

    slots: JobSlots
    hosts: Callable[[], frozenset[str]]
    cost: int = 0

    def visible(self, job: Job) -> tuple[str, ...]:
        """The visible slots of a job, in their order; empty if nothing of it is seen."""
        if job.external_run is not None or not job.is_readable:
            return ()
        if not job.is_broadcast:
            return self._visible(tuple(execution.hostname for execution in job.executions[:1]))
        return self._visible(self._names(job.id, job.total))

    def of(self, job: Job, most: int) -> Job | None:
        """The visible part of a job, with at most ``most`` executions; None if nothing of it is seen."""
        visible = self.visible(job)
        if not visible:
            return None
        if not job.is_broadcast:
            return self._alone(job)
        if len(visible) == job.total:
            return replace(job, target=self._whole_target(job.target, visible))
        return self.part(job, visible, most)

    def part(self, job: Job, visible: tuple[str, ...], most: int) -> Job:
        """The part of a broadcast on some of its hosts."""
        executions = self.executions(job, visible[:most])
        if len(visible) <= len(executions):
            counts: Mapping[ExecutionState, int] = Counter(execution.state for execution in executions)
        else:
            counts = self._counts(job.id, visible)
        hosts = frozenset(visible)
        ends = [event.at for x in executions for event in x.events]
        return replace(
            job,
            executions=executions,
            counts=dict(counts),
            total=len(visible),
            status=derive_status(counts),
            updated=max(ends, default=job.created),
            expected_agents=visible[:_NAMED_AGENTS],
            # counts, batches and notes of the whole job
            events=tuple(event for event in job.events if event.event == "submitted"),
            rollout=None,
            rollout_progress=None,
            retried_as=(),
            approval=None,
            among=tuple(host for host in job.among if host in hosts),
            target=shown_target(job.target, visible),
            document="",
        )

    @staticmethod
    def is_part(job: Job) -> bool:
        """Whether ``part`` made this job: it has no signed document."""
        return job.is_broadcast and not job.document

    def executions(self, job: Job, slots: Sequence[str]) -> tuple[Execution, ...]:
        """The executions in these slots, in order; those that were read with the job are not read again."""
        by_slot = {execution.slot: execution for execution in job.executions}
        missing = [slot for slot in slots if slot not in by_slot]
        while missing:
            part = self.slots.executions(job.id, missing)
            self.cost += len(part)
            by_slot |= {x.slot: x for x in part}
            missing = missing[len(part) :]
        return tuple(by_slot[slot] for slot in slots)

    def summary(self, summary: JobSummary) -> JobSummary | None:
        """The summary of the visible part of a job."""
        if not summary.is_readable:
            return None
        if not summary.is_broadcast:
            return summary if summary.hostname in self.hosts() else None
        names = self._names(summary.id, summary.agents)
        visible = self._visible(names)
        if not visible:
            return None
        if len(visible) == len(names):
            return replace(summary, target=self._whole_target(summary.target, visible))
        counts = self._counts(summary.id, visible)
        return replace(
            summary,
            counts=counts,
            status=derive_status(counts),
            target=shown_target(summary.target, visible),
            updated=summary.created,
        )

    def events(self, events: tuple[Event, ...], *, all_of_job: bool) -> tuple[Event, ...]:
        """The steps on visible hosts, and with ``all_of_job`` those of the job itself."""
        hosts = self.hosts()
        return tuple(
            event for event in events if event.hostname in hosts or (all_of_job and not _is_host(event.hostname))
        )

    def _alone(self, job: Job) -> Job:
        """A job with one execution, without earlier attempts on other hosts."""
        (execution,) = job.executions
        shown = self.events(execution.events, all_of_job=True)
        return (
            job if len(shown) == len(execution.events) else replace(job, executions=(replace(execution, events=shown),))
        )

    def _whole_target(self, text: str, visible: tuple[str, ...]) -> str:
        """The target of a job whose hosts are all seen. It can name hosts that the job does not run on."""
        hosts = self.hosts()
        names = (name for name in _hosts_of(text) if not is_glob(name))
        return text if all(name in hosts for name in names) else _named(visible)

    def _names(self, job_id: str, total: int) -> tuple[str, ...]:
        self.cost += total // _KEPT_COST if self.slots.knows(job_id) else total
        return self.slots.names(job_id, total)

    def _visible(self, names: tuple[str, ...]) -> tuple[str, ...]:
        hosts = self.hosts()
        return tuple(name for name in names if name in hosts)

    def _counts(self, job_id: str, visible: Sequence[str]) -> dict[ExecutionState, int]:
        self.cost += len(visible)
        return dict(Counter(self.slots.states(job_id, visible)))


def shown_target(text: str, visible: Sequence[str]) -> str:
    """The target of a job that is seen in part: without the names of hosts that are not seen."""
    return _named(visible) if _hosts_of(text) else text


def _named(hosts: Sequence[str]) -> str:
    return f"{','.join(hosts[:_NAMED])}{',...' if len(hosts) > _NAMED else ''}"


def _hosts_of(text: str) -> tuple[str, ...]:
    """The hostnames, and patterns of them, that a target consists of or contains."""
    try:
        kind = parsed(text).kind
    except InvalidTarget:  # of an altered or a later record
        kind = TargetKind.HOST
    if kind is TargetKind.HOST:
        return (text,)
    if kind is not TargetKind.HOSTS:
        return ()
    from jobqueue.targets import language  # its parser is part of the extra ``api``

    return tuple(name for node, _ in walk(language.tree(text)) if isinstance(node, Hosts) for name in node.patterns)


def _is_host(hostname: str) -> bool:
    """Whether an event is that of an agent: the system's own names begin with an underscore."""
    return bool(hostname) and not hostname.startswith("_")
