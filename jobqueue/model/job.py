"""A job and its executions, as read from the ledger. Everything shown of a job is derived here, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.model.external_run import ExternalRun
from jobqueue.model.job_fields import JobFields
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus
from jobqueue.model.timeline import Event

#: More failures than this are counted in a job's ``error``, not spelled out.
_SPELLED_OUT_FAILURES = 10


@dataclass(frozen=True)
class Execution:
    """One agent's share of a job. Times are microseconds, 0 while they have not happened.

    ``slot`` is what the execution is queued for: an agent's hostname, or ``_any``; ``hostname`` is the agent that
    claimed it (empty before the claim of an ``_any`` execution). ``info`` is what the operation tells of its present
    attempt, ``failure`` what it tells of how it failed, besides ``error``. ``signature`` is the agent's, of the result
    and of ``out``, from which data, info and failure were read; ``authenticity`` says what a look at it gave: signed,
    unsigned, forged or revoked (None: nobody looked, or there is nothing to sign).
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

    @property
    def duration(self) -> int | None:
        """Microseconds of the last run, or None when it never started or still runs."""
        return self.finished - self.started if self.started and self.finished else None


@dataclass(frozen=True, kw_only=True)
class Job(JobFields):
    """One request, with what became of it. Times are microseconds since the epoch.

    ``outside``: no agent runs it, a driver elsewhere does and reports it. ``document`` is the record that all of this
    was read from, as the API signed it. Not ``is_readable``: the record is not as the ledger wrote it; this stands for
    it in lists, and ``error`` says so.
    """

    id: str
    status: JobStatus
    created: int
    updated: int
    executions: tuple[Execution, ...]
    events: tuple[Event, ...] = ()
    expected_agents: tuple[str, ...] = ()
    outside: ExternalRun | None = None
    retried_as: tuple[str, ...] = ()
    cancel_requested: bool = False
    is_broadcast: bool = False
    document: str = field(default="", repr=False, compare=False)
    is_readable: bool = True

    @property
    def attempts(self) -> int:
        """The highest number of attempts that any execution needed so far."""
        return max((x.attempt for x in self.executions), default=0)

    @property
    def timeline(self) -> list[Event]:
        """Events of the job and of its executions, oldest first."""
        events = [*self.events, *(event for x in self.executions for event in x.events)]
        return sorted(events, key=lambda event: event.at)  # stable: the order within one execution is kept

    @property
    def changed(self) -> bool | None:
        """True if any agent changed something, False if all that completed changed nothing, None otherwise."""
        if not self.status.is_final:
            return None
        answers = [x.changed for x in self.executions if x.state is ExecutionState.COMPLETED]
        if not answers:
            return None
        return any(answers)

    @property
    def result(self) -> Any:
        """The answer of a single execution; None for a broadcast (its answers are per agent)."""
        return None if self.is_broadcast else self.executions[0].data

    @property
    def hostname(self) -> str:
        """The agent that processed the job; for a broadcast, the one that answered last (empty before any has)."""
        if not self.is_broadcast:
            return self.executions[0].hostname
        last = max(self.executions, key=lambda x: x.finished)
        return last.hostname if last.finished else ""

    @property
    def error(self) -> str | None:
        """What went wrong: the execution's own error, or for a broadcast a summary over its agents."""
        failed = [x for x in self.executions if x.state in FAILURES]
        if not self.is_broadcast:
            return self.executions[0].error
        if not failed:
            return None
        reasons = [f"{x.hostname}: {x.error or x.state.value}" for x in failed[:_SPELLED_OUT_FAILURES]]
        more = len(failed) - _SPELLED_OUT_FAILURES
        tail = f"; and {more} more" if more > 0 else ""
        return f"{len(failed)} of {len(self.executions)} agents failed: {'; '.join(reasons)}{tail}"
