"""Whether Redis accepts writes: tested with a tiny write, at most once a second in each process."""

from __future__ import annotations

import redis

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.shared_reading import SharedReading

#: Seconds for which a result is cached, so that probes of load balancers cost nothing.
FRESH_SECONDS = 1.0
#: Milliseconds until the written key expires.
_EXPIRES_MS = 10_000


class WriteProbe:
    """Writes a key of its own. Thread-safe."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.kind("probe")
        self._newest = SharedReading(self._ask)

    def __call__(self) -> None:
        """Raise ``LedgerUnavailable`` if Redis is down, ``LedgerRefuses`` if it rejects writes."""
        error = self._newest()
        if error is not None:
            raise error

    def _ask(self) -> tuple[LedgerUnavailable | None, float]:
        try:
            with translated_errors():
                self._client.set(self._key, "1", px=_EXPIRES_MS)
        except LedgerUnavailable as error:
            return error, FRESH_SECONDS
        return None, FRESH_SECONDS
