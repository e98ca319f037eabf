"""The failed executions of jobs that ended lately."""

from __future__ import annotations

from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.model.failure import Failure
from jobqueue.model.states import FAILURES

#: Jobs and executions that one call examines; keeps Redis responsive (about 2 ms).
MOST_JOBS = 500
MOST_EXECUTIONS = 1000


class Failures:
    """Reads what failed lately. Thread-safe."""

    def __init__(self, scripts: Scripts, *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._now = now

    def since(self, moment: int) -> tuple[list[Failure], bool]:
        """Failed executions of jobs that ended after ``moment`` (microseconds), the newest jobs first, and whether
        these are all of them: the newest ``MOST_JOBS`` jobs and the first ``MOST_EXECUTIONS`` executions are examined.
        """
        is_complete, *jobs = self._scripts.call("list_failures", moment, self._now(), MOST_JOBS, MOST_EXECUTIONS)
        failures = [
            Failure(job_id, hostname, operation, title, _error(event), int(float(end)))
            for job_id, end, operation, title, _, failed in jobs
            for hostname, event in zip(failed[::2], failed[1::2], strict=True)
        ]
        return failures, is_complete == "1"


def _error(event: str) -> str:
    """The error in an execution's last event (``time|event|host|note``); an agent may have written anything else."""
    parts = event.split("|", 3)
    if len(parts) != 4:
        return ""
    _, kind, _, note = parts
    return note or (kind if kind in _STATES else "")


_STATES = frozenset(state.value for state in FAILURES)
