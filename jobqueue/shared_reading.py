"""A value that is read once for all who ask at the same time, and used again for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class SharedReading(Generic[_Value]):
    """Calls ``read`` when there is no value that may still be used. Thread-safe: one thread reads, the others wait.

    ``read`` returns a value, and for how many seconds it may be used. ``clock`` is in seconds.
    """

    def __init__(self, read: Callable[[], tuple[_Value, float]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        #: When the reading began, until when its value is used, and the value.
        self._newest: tuple[float, float, _Value] | None = None

    def __call__(self, *, is_fresh: bool = False) -> _Value:
        """The value; with ``is_fresh``, of a reading that began after this call. Raises what ``read`` raises."""
        called = self._clock()
        with self._lock:
            if self._newest is not None:
                began, until, value = self._newest
                if began > called or (not is_fresh and called < until):
                    return value
            began = self._clock()
            value, seconds = self._read()
            self._newest = began, self._clock() + seconds, value
            return value
