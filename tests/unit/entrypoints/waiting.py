"""Waiting for a condition in a thread or a process, never for a while."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(probe: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until ``probe`` is true; fails the test if it is not in time."""
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
