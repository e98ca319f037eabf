"""One list of jobs from those of several cells, newest first."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.cells.list_position import END
from jobqueue.model.parent import PARENT_TAG

Document = dict[str, Any]


@dataclass(frozen=True)
class CellPage:
    """A page of one cell's list: jobs, newest first; for each the cursor that continues behind it; and the cursor that
    continues behind the page, None at the end of the list.

    A page may be short although the list continues.
    """

    items: Sequence[Document]
    cursors: Sequence[str]
    next_cursor: str | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> CellPage:
        """The page of a cell's answer to ``GET /job?cursors=true``. Raises ``ValueError`` for anything else."""
        items, cursors, following = document["items"], document.get("cursors"), document.get("next_cursor")
        if not isinstance(items, list) or not isinstance(cursors, list) or len(items) != len(cursors):
            raise ValueError("a page of jobs without their cursors")
        return cls(items, [_checked(cursor) for cursor in cursors], None if following is None else _checked(following))


@dataclass(frozen=True)
class MergedPage:
    """One page over several cells. ``positions``: where the next one begins in each; None at the end of all lists."""

    items: Sequence[Document]
    positions: Mapping[str, str] | None


def merge(pages: Mapping[str, CellPage], before: Mapping[str, str], limit: int) -> MergedPage:
    """Up to ``limit`` of the newest jobs of ``pages``, each with its cell and its parent.

    ``before``: the positions at which the pages began; they stay those of cells without a page, so that a cell that
    does not answer loses no job: its jobs follow when it answers again. Ends where a short page ends whose list
    continues: what follows in it may be newer than the rest of the other pages.
    """
    positions = dict(before)
    items: list[Document] = []
    floor = max((_time(page.next_cursor) for page in pages.values() if page.next_cursor), default=0)
    shown_of: Counter[str] = Counter()
    for negated, cell, index in heapq.merge(*(_keys(cell, page) for cell, page in pages.items())):
        if len(items) == limit or -negated < floor:
            break
        items.append(shown(cell, pages[cell].items[index]))
        positions[cell] = pages[cell].cursors[index]
        shown_of[cell] += 1
    for cell, page in pages.items():
        if shown_of[cell] == len(page.items):
            positions[cell] = END if page.next_cursor is None else page.next_cursor
    is_end = all(positions.get(cell) == END for cell in pages)
    return MergedPage(items, None if is_end else positions)


def totals(pages: Mapping[str, Mapping[str, Any]]) -> Document:
    """The counts of all pages, added."""
    counts: Counter[str] = Counter()
    for page in pages.values():
        counts.update(page.get("status_counts") or {})
    return {
        "total_items": sum(int(page.get("total_items", 0)) for page in pages.values()),
        "is_least": any(bool(page.get("is_least")) for page in pages.values()),
        "status_counts": dict(counts),
    }


def shown(cell: str, job: Document) -> Document:
    """A job of a cell; the job of which it is a part, if it is one."""
    tags = job.get("tags")
    return {**job, "cell": cell, "parent": tags.get(PARENT_TAG) if isinstance(tags, dict) else None}


def _keys(cell: str, page: CellPage) -> Iterator[tuple[int, str, int]]:
    """What orders the jobs of a page: newest first, then by cell."""
    for index, cursor in enumerate(page.cursors):
        yield (-_time(cursor), cell, index)


def _time(cursor: str) -> int:
    """The time of creation, in microseconds, of the job that a cursor continues behind."""
    return int(cursor[1:])


def _checked(cursor: Any) -> str:
    if not isinstance(cursor, str) or not cursor.startswith("c") or not cursor[1:].isdecimal() or len(cursor) > 17:
        raise ValueError(f"an invalid cursor: {str(cursor)[:80]}")
    return cursor
