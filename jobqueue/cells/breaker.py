"""A circuit breaker: a cell that does not answer must not delay each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Failures in a row after which a cell is not asked for a while, and that while in seconds.
FAILURES, OPEN_SECONDS = 3, 5.0


class Breaker:
    """Counts failures in a row. While it is open, calls are refused; then one call at a time tries again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0
        #: Why the last call failed; empty after one that succeeded.
        self.reason = ""

    def admits(self) -> bool:
        """Whether a call may be made now. One that is admitted after a pause makes others wait for its outcome."""
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            self._open_until = now + OPEN_SECONDS
            return True

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._failures, self.reason = 0, ""

    def failed(self, reason: str) -> None:
        """A call was not answered."""
        with self._lock:
            self._failures += 1
            self.reason = reason
            if self._failures >= FAILURES:
                self._open_until = self._clock() + OPEN_SECONDS
