"""Brings the parts of parents to their cells, and learns what became of them.

Every process of a front does this, and several may work on the same part: a cell takes a part once, under the
idempotency key of its parent, and the record of a parent changes only in place of the one that was read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jobqueue.cells import shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.cells.job_merge import counts_of
from jobqueue.errors import (
    Conflict,
    InvalidInput,
    JobQueueError,
    LedgerUnavailable,
    NotFound,
    RecordAltered,
    RecordChanged,
)
from jobqueue.ledger.parents import Parents
from jobqueue.model.parent import PARENT_TAG, PART_TAG, RETRY_OF, SAVED, Parent, Part, PartState

logger = logging.getLogger(__name__)

#: Parents of one turn, and seconds between two turns while no more are due.
BATCH, IDLE_SECONDS = 100, 0.5
#: Seconds after which an open parent is examined again: a tenth of its age, within these bounds.
SHORTEST, LONGEST = 1.0, 60.0
#: Seconds after a parent was stored during which only the request that stored it sends its parts.
FIRST_SECONDS = 2.0
_TRIES = 10
#: Jobs with the tag of one parent that are looked at; others than the front's part may carry it too.
_TAGGED = 10
_TARGET_FIELD = "target_hostname"


class PartRunner:
    """Moves the open parts of parents on, one step at a time."""

    def __init__(self, parents: Parents, cells: Cells) -> None:
        self._parents = parents
        self._cells = cells

    def run_due(self) -> float:
        """Examine the parents that are due; returns the seconds until the next turn. Raises ``LedgerUnavailable``."""
        return 0.0 if self.turn() == BATCH else IDLE_SECONDS

    def turn(self) -> int:
        """Examine the parents that are due; returns their number. Raises ``LedgerUnavailable``."""
        ids = self._parents.due(BATCH)
        for parent_id in ids:
            try:
                self.advance(parent_id)
            except RecordAltered:  # the alarm has been raised
                self._parents.forget(parent_id)
            except LedgerUnavailable:
                raise
            except Exception:  # it must not hold up the parents after it
                logger.exception("The parts of the job %s cannot be examined; it is tried again", parent_id)
                self._parents.postpone(parent_id, LONGEST)
        return len(ids)

    def advance(self, parent_id: str) -> Parent | None:
        """Take the next step of each open part, in all cells at the same time; the parent as it is then.

        None without such a parent. Raises ``LedgerUnavailable``, ``RecordAltered``.
        """
        parent, _ = self._parents.find(parent_id)
        if parent is None:
            self._parents.forget(parent_id)
            return None
        now = self._parents.time()
        parts = {part.cell: part for part in parent.parts if part.is_open}
        known = [cell for cell in parts if cell in self._cells.by_name]
        step = partial(self._step, parent=parent, parts=parts, now=now)
        answers = self._cells.ask(step, known)
        moved = dict(answers.answered)
        for cell, error in answers.errors.items():
            moved[cell] = _unanswered(parts[cell], error.message, parent, now)
        for cell in parts.keys() - set(known):
            moved[cell] = _unanswered(parts[cell], f"JOBQUEUE_CELLS no longer has the cell {cell}.", parent, now)
        return self._stored(parent_id, parts, moved)

    def change(self, parent_id: str, make: Callable[[Parent], Parent]) -> Parent:
        """Store what ``make`` makes of a parent; raises ``JobNotFound``."""
        for _ in range(_TRIES):
            parent, before = self._parents.find(parent_id)
            if parent is None:
                return self._parents.get(parent_id)  # raises
            changed = make(parent)
            if changed == parent:
                return parent
            try:
                self._parents.store(changed, before, SHORTEST)
            except RecordChanged:
                continue
            return changed
        raise RecordChanged

    def _stored(self, parent_id: str, begun: Mapping[str, Part], moved: Mapping[str, Part]) -> Parent | None:
        """Store the parts that have moved, unless another process has moved them further."""
        for _ in range(_TRIES):
            parent, before = self._parents.find(parent_id)
            if parent is None:
                return None
            new = parent.with_parts(
                part for cell, part in moved.items() if _may_replace(parent.part(cell), begun[cell], part)
            )
            seconds = _pause(new, self._parents.time())
            if new == parent:
                self._parents.postpone(parent_id, seconds)
                return parent
            try:
                self._parents.store(new, before, seconds)
            except RecordChanged:
                continue
            return new
        logger.warning("The parent job %s is changed by others all the time; it is examined again later", parent_id)
        return self._parents.find(parent_id)[0]

    def _step(self, cell: Cell, *, parent: Parent, parts: Mapping[str, Part], now: int) -> Part:
        part = parts[cell.name]
        if part.state is PartState.PENDING:
            is_wanted = not parent.cancelled_by and now <= parent.until
            # a cell knows an idempotency key of the same caller only, and the front's key may have been replaced
            is_first = now - parent.created < FIRST_SECONDS * 1_000_000
            mark = self._parents.mark(parent.id, cell.name)
            job = None if is_wanted and is_first else _oldest(cell, f"{PART_TAG}:{mark}")
            if job is None:
                return _created(cell, parent, part, mark) if is_wanted else _not_created(part, parent)
            part = replace(part, state=PartState.CREATED, job_id=job["id"], error="")
        if parent.cancelled_by and not part.cancelled:
            part = _cancelled(cell, part)
        return part if part.state is PartState.DELETED else _seen(cell, parent, part)


def _created(cell: Cell, parent: Parent, part: Part, mark: str) -> Part:
    """The part after its cell was asked to create it. Raises ``CellUnavailable``: it may, or may not, have it."""
    tags = {**(parent.request.get("tags") or {}), PARENT_TAG: parent.id, PART_TAG: mark}
    # the same key in each cell: two addresses of one cell must not run the job twice
    request = {name: value for name, value in parent.request.items() if name not in (SAVED, RETRY_OF)}
    if part.target:
        request[_TARGET_FIELD] = part.target
    body = {**request, "tags": tags, "idempotency_key": f"front-{parent.id}"}
    try:
        answer = cell.request("POST", "/job", body=body)
    except NotFound as error:
        raise cell.unavailable(f"the server at {cell.url} has no POST /job") from error
    except Conflict as error:
        is_refused = "job_id" in (error.details or {})
        return replace(part, state=PartState.REFUSED if is_refused else PartState.EMPTY, error=error.message)
    except InvalidInput as error:
        is_empty = _TARGET_FIELD in (error.details or {})
        return replace(part, state=PartState.EMPTY if is_empty else PartState.REFUSED, error=error.message)
    except JobQueueError as error:
        if error.code == "cell_unavailable":
            raise
        return replace(part, state=PartState.REFUSED, error=error.message)
    if not isinstance(answer, dict) or not shapes.is_job_id(answer.get("job_id")):
        raise cell.unavailable(f"the server at {cell.url} answered POST /job without a job_id")
    if "accepted" in answer:
        return replace(part, error=f"Cell {cell.name} has not confirmed the job yet.")
    return replace(part, state=PartState.CREATED, job_id=answer["job_id"], error="")


def listed(cell: Cell, parent: Parent, job_id: str) -> dict[str, Any] | None:
    """A job of the parent, as the cell lists it, without its executions; None if the cell does not have it."""
    query = {"tag": f"{PARENT_TAG}:{parent.id}", "view": "summary", "limit": _TAGGED}
    for job in shapes.jobs(cell, cell.get("/job", query, holding="items")):
        if job["id"] == job_id:
            return job
    try:
        return shapes.job(cell, cell.get(f"/job/{job_id}", holding="id"), job_id)
    except NotFound:
        return None


def _oldest(cell: Cell, tag: str) -> dict[str, Any] | None:
    """The oldest job with a tag; None without any. Others may have given later ones the tag that they saw on it."""
    offset = 0
    for _ in range(_TRIES):
        query = {"tag": tag, "view": "summary", "limit": _TAGGED, "offset": offset}
        document = cell.get("/job", query, holding="items")
        jobs, total = shapes.jobs(cell, document), shapes.total(cell, document)
        if offset + len(jobs) >= total:
            return jobs[-1] if jobs else None
        offset = total - 1  # there may be more by the next request
    raise cell.unavailable(f"the cell gets ever more jobs with the tag {tag}")


def _cancelled(cell: Cell, part: Part) -> Part:
    try:
        cell.request("POST", f"/job/{part.job_id}/cancel")
    except NotFound:
        return replace(part, state=PartState.DELETED)
    except Conflict:  # it has ended
        return replace(part, cancelled=True)
    return replace(part, cancelled=True)


def _seen(cell: Cell, parent: Parent, part: Part) -> Part:
    job = listed(cell, parent, part.job_id)
    if job is None:
        return replace(part, state=PartState.DELETED, error=f"Cell {cell.name} no longer has the job {part.job_id}.")
    return replace(part, status=job["status"], counts=counts_of(job), error="")


def _not_created(part: Part, parent: Parent) -> Part:
    """A part that its cell does not have, and that is no longer to be sent."""
    if parent.cancelled_by:
        return replace(part, state=PartState.CANCELLED, error="")
    return replace(part, state=PartState.UNREACHABLE, error=f"Cell {part.cell} did not take the job in time.")


def _unanswered(part: Part, error: str, parent: Parent, now: int) -> Part:
    """A part whose cell did not answer: it is given up after its time."""
    is_late = part.state is PartState.PENDING and now > parent.until
    return replace(part, state=PartState.UNREACHABLE if is_late else part.state, error=error)


def _may_replace(current: Part | None, begun: Part, moved: Part) -> bool:
    """Whether a part that began as ``begun`` may be stored as ``moved``, or another process was faster.

    A job that a cell has is never forgotten: another process may have asked the cell just before the job was created,
    or have been refused before there was an agent.
    """
    if current is None or current == begun:
        return current is not None
    if bool(current.job_id) != bool(moved.job_id):
        return bool(moved.job_id)
    return current.is_open and moved.state is not PartState.PENDING


def _pause(parent: Parent, now: int) -> float:
    return min(LONGEST, max(SHORTEST, (now - parent.created) / 1e6 / 10))
