"""Jobs as a list shows them: without their executions, of which a broadcast has thousands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobqueue.model.states import ExecutionState, JobStatus


@dataclass(frozen=True)
class JobSummary:
    """The head of one job. Times are microseconds; ``counts`` has the states that any of its executions is in.

    ``hostname`` is the agent of a job for a single one, once it is known.
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
        """How many executions it has."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """How many of them have ended."""
        return sum(count for state, count in self.counts.items() if state.is_final)


@dataclass(frozen=True)
class JobSummaryPage:
    """One page, newest first. ``total`` counts the filter's matches, ``status_counts`` all jobs.

    Where ``is_least``, there may be more matches than ``total``: those behind the page were not all counted.
    """

    items: tuple[JobSummary, ...]
    total: int
    status_counts: Mapping[JobStatus, int]
    next_cursor: int | None = None
    is_least: bool = False
