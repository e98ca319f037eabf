"""States of a run as the job launcher's API names them, and the moves between them that a driver may report."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState, JobStatus

#: The ``phase`` that an operation reports while it writes its answer.
FINISHING_PHASE = "finishing"


class RunState(str, Enum):
    """State of a run. ``unknown``: not known; ``idle``: a configuration that never ran."""

    UNKNOWN = "unknown"
    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ERROR = "error"
    SKIPPED = "skipped"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def _missing_(cls, value: object) -> RunState:  # noqa: ARG003 - enum's signature
        """A word in the ledger that is not a state."""
        return cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        return self in (RunState.FINISHED, RunState.CANCELLED, RunState.ERROR, RunState.SKIPPED)


_S = RunState

#: from -> the next states. A state without a key here is final or unknown.
MOVES: Mapping[RunState, frozenset[RunState]] = {
    _S.IDLE: frozenset({_S.STARTING}),
    _S.STARTING: frozenset({_S.RUNNING, _S.SKIPPED, _S.CANCELLING, _S.ERROR}),
    _S.RUNNING: frozenset({_S.FINISHING, _S.CANCELLING, _S.ERROR}),
    _S.FINISHING: frozenset({_S.FINISHED, _S.ERROR}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.ERROR}),
}

#: A driver's state -> the state of the run's execution; None: unchanged.
EXECUTION_STATES: Mapping[RunState, ExecutionState | None] = {
    _S.IDLE: ExecutionState.SUBMITTED,
    _S.STARTING: ExecutionState.SUBMITTED,
    _S.RUNNING: ExecutionState.STARTED,
    _S.FINISHING: ExecutionState.STARTED,
    _S.CANCELLING: None,
    _S.FINISHED: ExecutionState.COMPLETED,
    _S.CANCELLED: ExecutionState.CANCELLED,
    _S.ERROR: ExecutionState.FAILED,
    _S.SKIPPED: ExecutionState.SKIPPED,
}

_FINAL: Mapping[JobStatus, RunState] = {
    JobStatus.COMPLETED: _S.FINISHED,
    JobStatus.FAILED: _S.ERROR,
    JobStatus.PARTIAL_FAILURE: _S.ERROR,
    JobStatus.CANCELLED: _S.CANCELLED,
    JobStatus.SKIPPED: _S.SKIPPED,
}


def reachable(state: RunState) -> frozenset[RunState]:
    """The states that may follow ``state``: drivers do not report every step, so steps may be left out."""
    states: set[RunState] = set()
    pending = [state]
    while pending:
        for following in MOVES.get(pending.pop(), frozenset()):
            if following not in states:
                states.add(following)
                pending.append(following)
    return frozenset(states)


def reporters(state: RunState) -> frozenset[RunState]:
    """The states that a run may have been in when ``state`` is reported: those before it, and itself."""
    return frozenset(before for before in RunState if state in reachable(before)) | {state}


def run_state(job: Job) -> RunState:
    """The state of the run behind ``job``."""
    if job.status.is_final:
        return _FINAL[job.status]
    if job.cancel_requested:
        return _S.CANCELLING
    if job.external_run is not None:
        return RunState(job.external_run.word)
    if job.status is JobStatus.SUBMITTED:
        return _S.STARTING
    is_finishing = any(execution.info.get("phase") == FINISHING_PHASE for execution in job.executions)
    return _S.FINISHING if is_finishing else _S.RUNNING
