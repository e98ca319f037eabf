"""Which jobs a listing shows."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.job import Job
from jobqueue.model.states import JobStatus

MAX_LIMIT = 100
DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class JobFilter:
    """All given conditions must hold. ``tag`` is (key, value); ``group`` is one of
    the lists that only the service puts jobs on; times are microseconds, both ends inclusive.

    ``cursor`` is a page's ``next_cursor``: the listing goes on behind that page whatever was added in front since.
    ``status`` may be several, of which one must hold. ``summary`` leaves out responses, agent_states and timeline
    (they can be large for a broadcast).
    """

    status: JobStatus | tuple[JobStatus, ...] | None = None
    operation: str | None = None
    target: str | None = None
    hostname: str | None = None
    tag: tuple[str, str] | None = None
    group: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: int | None = None
    summary: bool = False

    @property
    def statuses(self) -> tuple[JobStatus, ...]:
        """The statuses that are asked for, each once; all of them if none is named."""
        if self.status is None:
            return tuple(JobStatus)
        return (self.status,) if isinstance(self.status, JobStatus) else tuple(dict.fromkeys(self.status))


@dataclass(frozen=True)
class JobPage:
    """One page, newest first. ``total`` counts the filter's matches, ``status_counts`` all jobs."""

    items: tuple[Job, ...]
    total: int
    status_counts: dict[JobStatus, int]
    next_cursor: int | None = None
