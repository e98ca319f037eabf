"""Sorting rows of which some have no value to sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_Row = TypeVar("_Row")


def sorted_by(rows: Iterable[_Row], value: Callable[[_Row], Any], *, is_down: bool = False) -> list[_Row]:
    """The rows by ``value``, or with ``is_down`` the largest first; rows without one (None) come last in any case.

    Rows with equal values stay in order.
    """
    pairs = [(value(row), row) for row in rows]
    present = [pair for pair in pairs if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=is_down)
    return [row for _, row in present] + [row for key, row in pairs if key is None]
