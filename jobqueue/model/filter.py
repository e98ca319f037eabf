"""Filters for job listings."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.job import Job
from jobqueue.model.states import JobStatus

MAX_LIMIT = 100
DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class JobFilter:
    """All conditions must hold. ``tag`` is (key, value); ``group`` is a list to which only the service adds jobs; times
    are microseconds, both ends inclusive.

    ``cursor`` is a page's ``next_cursor``: the listing continues after that page, regardless of jobs added since.
    ``status`` may list several, one of which must match. ``summary`` leaves out responses, agent_states and timeline
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
        """The requested statuses, each once; all statuses if none is given."""
        if self.status is None:
            return tuple(JobStatus)
        return (self.status,) if isinstance(self.status, JobStatus) else tuple(dict.fromkeys(self.status))


@dataclass(frozen=True)
class JobPage:
    """One page, newest first. ``total`` counts the filter's matches, ``status_counts`` all jobs.

    If ``is_least``, there may be more matches than ``total``: a filter by several fields examines a bounded number of
    jobs. The page may then have fewer jobs than its limit although ``next_cursor`` continues it.
    """

    items: tuple[Job, ...]
    total: int
    status_counts: dict[JobStatus, int]
    next_cursor: int | None = None
    is_least: bool = False
