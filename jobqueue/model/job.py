"""A job and its executions, as read from the ledger. All derived values are computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.model.external_run import ExternalRun
from jobqueue.model.job_fields import JobFields
from jobqueue.model.rollout_progress import RolloutProgress
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus
from jobqueue.model.timeline import Event

#: Beyond this number, failures are counted in a job's ``error``, not listed.
_SPELLED_OUT_FAILURES = 10


@dataclass(frozen=True)
class Execution:
    """One agent's share of a job. Times are microseconds, 0 for events that have not happened.

    ``slot`` is the queue of the execution: an agent's hostname, or ``_any``; ``hostname`` is the agent that claimed it
    (empty before the claim of an ``_any`` execution). ``info`` is the operation's report on its present attempt,
    ``failure`` its report on a failure, besides ``error``. ``signature`` is the agent's, over the result and ``out``,
    from which data, info and failure were decoded; ``authenticity`` is the result of verifying it: signed, unsigned,
    forged or revoked (None: not verified, or nothing to verify). ``held_by``: what keeps it
    back, ``rollout``, ``opening`` (of a large job, which takes a moment), ``pause`` or ``concurrency``;
    empty once its agent may start it.
    """

    slot: str
    hostname: str
    state: ExecutionState
    attempt: int = 0
    started: int = 0
    finished: int = 0
    due: int = 0
    data: Any = None
    changed: bool | None = None
    error: str | None = None
    events: tuple[Event, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    signature: str = ""
    out: str = field(default="", repr=False, compare=False)
    authenticity: str | None = None
    held_by: str = ""

    @property
    def duration(self) -> int | None:
        """Microseconds of the last run, or None when it never started or still runs."""
        return self.finished - self.started if self.started and self.finished else None


@dataclass(frozen=True, kw_only=True)
class Job(JobFields):
    """One request and its outcome. Times are microseconds since the epoch.

    ``external_run``: an external driver runs the job and reports on it. ``document`` is the record from which the job
    was read, as the API signed it. Not ``is_readable``: the record was altered; this is its placeholder in lists, and
    ``error`` explains it.

    ``executions`` are all, or the first of a broadcast to many agents: ``total`` is their number, ``counts`` has the
    number in each state. What is derived from executions then follows from those that were read.
    """

    id: str
    status: JobStatus
    created: int
    updated: int
    executions: tuple[Execution, ...]
    events: tuple[Event, ...] = ()
    expected_agents: tuple[str, ...] = ()
    external_run: ExternalRun | None = None
    retried_as: tuple[str, ...] = ()
    cancel_requested: bool = False
    is_broadcast: bool = False
    rollout_progress: RolloutProgress | None = None
    document: str = field(default="", repr=False, compare=False)
    is_readable: bool = True
    counts: Mapping[ExecutionState, int] = field(default_factory=dict)
    total: int = 0

    @property
    def left_out(self) -> int:
        """The number of executions that were not read."""
        return max(0, self.total - len(self.executions))

    @property
    def attempts(self) -> int:
        """The highest number of attempts of any execution so far; of those that were not read, one."""
        first = int(any(count for state, count in self.counts.items() if state is not ExecutionState.SUBMITTED))
        return max((execution.attempt for execution in self.executions), default=first)

    @property
    def timeline(self) -> list[Event]:
        """Events of the job and of its executions, oldest first."""
        events = [*self.events, *(event for x in self.executions for event in x.events)]
        # stable: keeps the order within one execution
        return sorted(events, key=lambda event: (event.at, event.is_consequence))

    @property
    def changed(self) -> bool | None:
        """True if any agent made a change, False if all that reported on it made none, None otherwise.

        Without all executions, None unless one of those that were read made a change.
        """
        if not self.status.is_final:
            return None
        answers = [
            execution.changed
            for execution in self.executions
            if execution.state is ExecutionState.COMPLETED or execution.changed is not None
        ]
        if not answers or (self.left_out and not any(answers)):
            return None
        return any(answers)

    @property
    def result(self) -> Any:
        """The answer of a single execution; None for a broadcast (its answers are per agent)."""
        return None if self.is_broadcast else self.executions[0].data

    @property
    def hostname(self) -> str:
        """The agent that ran the job; for a broadcast, the one that answered last (empty before the first answer)."""
        if not self.is_broadcast:
            return self.executions[0].hostname
        last = max(self.executions, key=lambda x: x.finished, default=None)
        return last.hostname if last and last.finished else ""

    @property
    def error(self) -> str | None:
        """The error: the execution's own, or for a broadcast a summary over its agents."""
        failed = [execution for execution in self.executions if execution.state in FAILURES]
        if not self.is_broadcast:
            return self.executions[0].error
        number = sum(self.counts.get(state, 0) for state in FAILURES) if self.left_out else len(failed)
        if not number:
            return None
        reasons = [f"{x.hostname}: {x.error or x.state.value}" for x in failed[:_SPELLED_OUT_FAILURES]]
        more = number - len(reasons)
        tail = f"; and {more} more" if more > 0 and reasons else ""
        spelled_out = f": {'; '.join(reasons)}{tail}" if reasons else ""
        return f"{number} of {len(self.executions) + self.left_out} agents failed{spelled_out}"
