"""Sorting the rows of a page by a column.

Lists are in the order of an index, which is the only one that reaches beyond a page: any other order is that of the
rows on the page, and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from api.dashboard import query
from jobqueue.sorting import sorted_by

_Row = TypeVar("_Row")
_DOWN = "-"


@dataclass(frozen=True)
class Column(Generic[_Row]):
    """``value`` is what a row is sorted by; rows without one (None) come last.

    ``is_largest_first``: what the first click on the column's name gives.
    """

    value: Callable[[_Row], Any]
    is_largest_first: bool = False


@dataclass(frozen=True)
class Order:
    """The order of a page's rows: by ``column``, empty for that of the list; ``is_down``: largest first."""

    column: str = ""
    is_down: bool = False
    largest_first: frozenset[str] = frozenset()

    def state(self, column: str) -> str:
        """The ``aria-sort`` of a column's heading; empty for one by which the rows are not sorted."""
        return "" if column != self.column else "descending" if self.is_down else "ascending"

    def link(self, column: str) -> str:
        """The query for a click on a column's name: its first direction, the other one, then the order of the list."""
        down, up = f"{_DOWN}{column}", column
        steps = [down, up] if column in self.largest_first else [up, down]
        if column == self.column:
            now = steps.index(down if self.is_down else up)
            steps = steps[now + 1 :]
        return query.with_changes(sort=steps[0] if steps else None, done=None)


def order_of(columns: Mapping[str, Column[Any]]) -> Order:
    """The order that this request's parameter ``sort`` names; that of the list if it names none of the columns."""
    sort_key = query.text("sort", 50)
    name = sort_key.removeprefix(_DOWN)
    largest_first = frozenset(name for name, column in columns.items() if column.is_largest_first)
    if name not in columns:
        return Order(largest_first=largest_first)
    return Order(name, sort_key.startswith(_DOWN), largest_first)


def ordered(rows: Iterable[_Row], columns: Mapping[str, Column[_Row]], order: Order) -> tuple[_Row, ...]:
    """The rows in this order; equal ones stay in that of the list."""
    return tuple(sorted_by(rows, columns[order.column].value, is_down=order.is_down) if order.column else rows)
