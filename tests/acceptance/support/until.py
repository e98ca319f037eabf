"""Waiting for a condition, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: Seconds that anything may take, also where several others run at the same time. Only a failure waits for so long.
LONG = 60.0
_FIRST_LOOK, _LONGEST_LOOK = 0.01, 0.15


def until(probe: Callable[[], T], what: str, seconds: float = LONG) -> T:
    """The first true answer of ``probe``; fails the test, with the last answer, when there is none in time."""
    end = time.monotonic() + seconds
    pause = _FIRST_LOOK
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"Not within {seconds:g} s: {what}; the last look showed {found!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK)
