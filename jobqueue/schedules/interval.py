"""Times at a fixed interval."""

from __future__ import annotations


class Interval:
    """``anchor`` and every ``length`` (microseconds) after it, whatever the wall clock shows."""

    def __init__(self, length: int, anchor: int) -> None:
        self._length = length
        self._anchor = anchor

    def after(self, moment: int) -> int | None:
        if moment < self._anchor:
            return self._anchor
        return self._anchor + ((moment - self._anchor) // self._length + 1) * self._length


class Once:
    """A single time."""

    def __init__(self, at: int) -> None:
        self._at = at

    def after(self, moment: int) -> int | None:
        return self._at if moment < self._at else None
