"""The states of an execution, the table of allowed transitions, and the rule that derives a job's status.

The table below is the only one: it is injected into the Lua scripts at load time (``ledger/scripts.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ExecutionState(str, Enum):
    """State of one agent's share of a job."""

    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    LOST = "lost"

    def __str__(self) -> str:
        return self.value

    @property
    def is_final(self) -> bool:
        return self not in TRANSITIONS


class JobStatus(str, Enum):
    """Status of a whole job, always derived from its executions."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    PARTIAL_FAILURE = "partial_failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value

    @property
    def is_final(self) -> bool:
        return self not in (JobStatus.SUBMITTED, JobStatus.PROCESSING)


_S = ExecutionState

#: from -> the states it may move to. A state that is not a key here is final.
TRANSITIONS: Mapping[ExecutionState, frozenset[ExecutionState]] = {
    _S.SUBMITTED: frozenset({_S.ACKNOWLEDGED, _S.CANCELLED, _S.EXPIRED, _S.FAILED}),
    # back to submitted: an agent that shuts down returns work that it has not started
    _S.ACKNOWLEDGED: frozenset({_S.STARTED, _S.SUBMITTED, _S.CANCELLED, _S.EXPIRED, _S.FAILED, _S.SKIPPED}),
    # back to submitted: a retry, or an expired lease of an operation that may run again
    _S.STARTED: frozenset({_S.COMPLETED, _S.FAILED, _S.SKIPPED, _S.CANCELLED, _S.LOST, _S.SUBMITTED}),
}

FINAL_STATES: frozenset[ExecutionState] = frozenset(s for s in ExecutionState if s not in TRANSITIONS)
FINAL_STATUSES: frozenset[JobStatus] = frozenset(s for s in JobStatus if s.is_final)
#: Final states that count as a failure of the job.
FAILURES: frozenset[ExecutionState] = frozenset({_S.FAILED, _S.EXPIRED, _S.LOST})


def is_allowed(current: ExecutionState, new: ExecutionState) -> bool:
    """Whether the table allows ``current -> new``."""
    return new in TRANSITIONS.get(current, frozenset())


def derive_status(counts: Mapping[ExecutionState, int]) -> JobStatus:
    """The job's status from the number of its executions in each state.

    ``lua/include/status.lua`` is the same rule inside Redis; a property test checks that both agree.
    """
    total = sum(counts.values())
    if counts.get(_S.SUBMITTED, 0) == total:
        return JobStatus.SUBMITTED
    if any(count for state, count in counts.items() if not state.is_final):
        return JobStatus.PROCESSING
    failures = sum(counts.get(state, 0) for state in FAILURES)
    if counts.get(_S.SKIPPED, 0) == total:
        return JobStatus.SKIPPED
    if not failures:
        return JobStatus.CANCELLED if counts.get(_S.CANCELLED, 0) else JobStatus.COMPLETED
    return JobStatus.PARTIAL_FAILURE if counts.get(_S.COMPLETED, 0) else JobStatus.FAILED
