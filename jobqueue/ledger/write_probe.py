"""Whether Redis accepts writes: tested with a tiny write, at most once a second in each process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys

#: Seconds for which a result is cached, so that probes of load balancers cost nothing.
FRESH_SECONDS = 1.0
#: Milliseconds until the written key expires.
_EXPIRES_MS = 10_000


class WriteProbe:
    """Writes a key of its own. Thread-safe. ``clock`` is in seconds."""

    def __init__(self, client: redis.Redis, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._key = keys.kind("probe")
        self._clock = clock
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._error: LedgerUnavailable | None = None

    def __call__(self) -> None:
        """Raise ``LedgerUnavailable`` if Redis is down, ``LedgerRefuses`` if it rejects writes."""
        with self._lock:  # only one of the concurrent callers tests
            if self._clock() - self._at >= FRESH_SECONDS:
                self._error = self._ask()
                self._at = self._clock()
            error = self._error
        if error is not None:
            raise error

    def _ask(self) -> LedgerUnavailable | None:
        try:
            with translated_errors():
                self._client.set(self._key, "1", px=_EXPIRES_MS)
        except LedgerUnavailable as error:
            return error
        return None
