"""The agents of recent plans, to name the difference if the set has changed when the job is submitted."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys

#: Seconds for which a plan is kept.
KEPT_SECONDS = 3600
#: Characters of all hostnames of a plan; more is taken for an altered record.
_MOST = 10_000_000


class Plans:
    """Plans by their hash. They only serve to explain a refusal, so they need no seal."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def keep(self, plan_hash: str, members: Iterable[str]) -> None:
        """Keep the members of a plan for an hour. Raises ``LedgerUnavailable``."""
        packed = base64.b64encode(zlib.compress("\n".join(members).encode())).decode()
        with translated_errors():
            self._client.set(self._keys.kind("plan") + plan_hash, packed, ex=KEPT_SECONDS)

    def get(self, plan_hash: str) -> list[str] | None:
        """The members of a plan; None if it is not kept (any more), or its record was altered."""
        with translated_errors():
            packed = self._client.get(self._keys.kind("plan") + plan_hash)
        if not packed:
            return None
        try:
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(base64.b64decode(str(packed), validate=True), _MOST).decode()
        except (ValueError, binascii.Error, zlib.error):
            return None
        return text.split("\n") if text else []
