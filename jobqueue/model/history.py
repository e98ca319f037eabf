"""How many jobs came and ended, over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.model.states import JobStatus


@dataclass(frozen=True)
class Span:
    """What happened between ``start`` (microseconds) and the start of the next one.

    ``submitted`` are the jobs that were accepted in it, by their status now; ``ended`` counts those that became final.
    """

    start: int
    submitted: Mapping[JobStatus, int]
    ended: int

    @property
    def total(self) -> int:
        """How many jobs were accepted."""
        return sum(self.submitted.values())


@dataclass(frozen=True)
class History:
    """Spans of equal length, oldest first; the last one is not over yet."""

    seconds: int
    spans: tuple[Span, ...]

    @property
    def submitted(self) -> int:
        """Jobs that were accepted in all of it."""
        return sum(span.total for span in self.spans)

    @property
    def ended(self) -> int:
        """Jobs that became final in all of it."""
        return sum(span.ended for span in self.spans)
