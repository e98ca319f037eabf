"""Parents: jobs that were submitted to several cells. Each cell runs its part, a job of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from jobqueue.model.states import ExecutionState, JobStatus, derive_status

#: Key of the tag by which a cell knows the parent of a part; its value is the parent's id.
PARENT_TAG = "cells.parent"
#: Key of the tag by which the front finds the part in its cell. Its value cannot be known before the cell has the part.
PART_TAG = "cells.part"
#: Fields of a parent's request that its cells do not get: the name and the version of the front's saved job, and the id
#: of the parent that this one retries.
SAVED, RETRY_OF = "saved", "retry_of"
#: Errors of parts that a parent's own error spells out.
_MOST_ERRORS = 10


class PartState(str, Enum):
    """State of a part, as the front knows it."""

    #: The cell has not confirmed the part; it is sent again under the same idempotency key.
    PENDING = "pending"
    CREATED = "created"
    #: No agent of the cell matches the target.
    EMPTY = "empty"
    #: The cell refused the part.
    REFUSED = "refused"
    #: The cell did not confirm the part in time, and it is no longer sent.
    UNREACHABLE = "unreachable"
    #: The parent was cancelled before the cell had the part.
    CANCELLED = "cancelled"
    #: The cell no longer has the part's job.
    DELETED = "deleted"

    def __str__(self) -> str:
        return self.value


#: What a part without executions counts as in the status of its parent.
_COUNTED_AS: Mapping[PartState, ExecutionState] = {
    PartState.PENDING: ExecutionState.SUBMITTED,
    PartState.CREATED: ExecutionState.SUBMITTED,
    PartState.REFUSED: ExecutionState.FAILED,
    PartState.UNREACHABLE: ExecutionState.EXPIRED,
    PartState.CANCELLED: ExecutionState.CANCELLED,
    PartState.DELETED: ExecutionState.LOST,
}


@dataclass(frozen=True)
class Part:
    """The part of one cell. ``status`` and ``counts`` are those of its job when the cell last answered.

    ``cancelled``: the cell has taken the cancellation of the part's job. ``target``: in place of that of the request.
    """

    cell: str
    state: PartState = PartState.PENDING
    job_id: str = ""
    error: str = ""
    status: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    cancelled: bool = False
    target: str = ""

    @property
    def is_open(self) -> bool:
        """Whether anything is left to do or to learn."""
        if self.state is PartState.CREATED:
            return not self.status or not JobStatus(self.status).is_final
        return self.state is PartState.PENDING

    @property
    def counted(self) -> Mapping[ExecutionState, int]:
        """The executions of the part by state; a part without any counts as one."""
        counts = {ExecutionState(state): count for state, count in self.counts.items() if count}
        if self.state is PartState.DELETED and not all(state.is_final for state in counts):
            counts = {}
        if counts and self.state in (PartState.CREATED, PartState.DELETED):
            return counts
        return {_COUNTED_AS[self.state]: 1} if self.state in _COUNTED_AS else {}


@dataclass(frozen=True)
class Parent:
    """A request and its parts. Times are microseconds.

    ``request`` is the body of POST /job for each part, without idempotency key, with ``SAVED`` and ``RETRY_OF``.
    ``until``: parts that their cells have not confirmed by then are given up. ``key`` is the caller's idempotency key
    with the caller's identity, or empty. ``cancelled_by``: who cancelled the parent, or empty.
    """

    id: str
    created: int
    until: int
    request: Mapping[str, Any]
    submitted_by: str
    is_broadcast: bool
    parts: tuple[Part, ...]
    key: str = ""
    cancelled_by: str = ""

    @property
    def status(self) -> JobStatus:
        """The status over all executions of all parts, by the rule of a broadcast."""
        return status_of(self.parts)

    @property
    def is_open(self) -> bool:
        """Whether a part is not final, or a cancellation has not reached its cell."""
        return any(part.is_open for part in self.parts)

    @property
    def pending(self) -> tuple[str, ...]:
        """The cells that have not confirmed their parts."""
        return tuple(part.cell for part in self.parts if part.state is PartState.PENDING)

    @property
    def is_refused(self) -> bool:
        """Whether no cell has, or may still get, a part."""
        return all(part.state in (PartState.EMPTY, PartState.REFUSED) for part in self.parts)

    @property
    def error(self) -> str | None:
        """The errors of the parts that no cell has; None without any."""
        errors = [
            f"cell {part.cell}: {part.error or part.state.value}"
            for part in self.parts
            if part.state in (PartState.REFUSED, PartState.UNREACHABLE, PartState.DELETED)
        ]
        more = len(errors) - _MOST_ERRORS
        return "; ".join(errors[:_MOST_ERRORS]) + (f"; and {more} more" if more > 0 else "") if errors else None

    def part(self, cell: str) -> Part | None:
        """The part of a cell; None if the cell has none."""
        return next((part for part in self.parts if part.cell == cell), None)

    def with_parts(self, parts: Iterable[Part]) -> Parent:
        """With these parts in place of those of the same cells."""
        new = {part.cell: part for part in parts}
        return replace(self, parts=tuple(new.get(part.cell, part) for part in self.parts))

    def document(self) -> dict[str, Any]:
        """The record, for JSON. Earlier versions know no target of a part."""
        document = asdict(self)
        document["parts"] = [
            {name: value for name, value in part.items() if value or name != "target"} for part in document["parts"]
        ]
        return document

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Parent:
        """The parent of a record that ``document`` made."""
        parts = tuple(Part(**{**part, "state": PartState(part["state"])}) for part in document["parts"])
        return cls(**{**document, "parts": parts})


def status_of(parts: Iterable[Part]) -> JobStatus:
    """The status of a parent with these parts; failed if no cell had an agent for it."""
    counts: Counter[ExecutionState] = Counter()
    for part in parts:
        counts.update(part.counted)
    return derive_status(counts) if counts else JobStatus.FAILED
