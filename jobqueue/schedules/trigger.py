"""A sequence of times, as any kind of timing gives it."""

from __future__ import annotations

from typing import Protocol


class Trigger(Protocol):
    """An ascending sequence of times (microseconds)."""

    def after(self, moment: int) -> int | None:
        """The first time after ``moment``; None if there is none."""
