"""How many jobs were submitted and ended, over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.model.states import JobStatus


@dataclass(frozen=True)
class Span:
    """The counts between ``start`` (microseconds) and the start of the next span.

    ``submitted`` counts the jobs accepted in it, by their present status; ``ended`` counts those that became final.
    """

    start: int
    submitted: Mapping[JobStatus, int]
    ended: int

    @property
    def total(self) -> int:
        """The number of accepted jobs."""
        return sum(self.submitted.values())


@dataclass(frozen=True)
class History:
    """Spans of equal length, oldest first; the last one is still open."""

    seconds: int
    spans: tuple[Span, ...]

    @property
    def submitted(self) -> int:
        """The number of jobs accepted in all spans."""
        return sum(span.total for span in self.spans)

    @property
    def ended(self) -> int:
        """The number of jobs that became final in all spans."""
        return sum(span.ended for span in self.spans)
