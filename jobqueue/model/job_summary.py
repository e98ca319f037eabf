"""Job summaries for lists: without executions, of which a broadcast has thousands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobqueue.model.states import ExecutionState, JobStatus


@dataclass(frozen=True)
class JobSummary:
    """The summary of one job. Times are microseconds; ``counts`` has the states in which any of its executions is.

    ``hostname`` is the agent of a job with one execution, once it is known.
    """

    id: str
    status: JobStatus
    created: int
    updated: int
    operation: str
    target: str
    counts: Mapping[ExecutionState, int] = field(default_factory=dict)
    alias: str | None = None
    title: str | None = None
    hostname: str = ""
    is_broadcast: bool = False
    cancel_requested: bool = False
    is_readable: bool = True

    @property
    def agents(self) -> int:
        """The number of executions."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """The number of ended executions."""
        return sum(count for state, count in self.counts.items() if state.is_final)


@dataclass(frozen=True)
class JobSummaryPage:
    """One page, newest first. ``total`` counts the filter's matches, ``status_counts`` all jobs.

    If ``is_least``, there may be more matches than ``total``: those after the page were not all counted.
    """

    items: tuple[JobSummary, ...]
    total: int
    status_counts: Mapping[JobStatus, int]
    next_cursor: int | None = None
    is_least: bool = False
