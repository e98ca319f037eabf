"""Seals: what shows that a record in Redis was written by the API, in this place, and by nobody else.

Redis holds who may get in. Whoever can write to Redis, and cannot read the API's secret, could else let himself in, and
have the API sign his work.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from jobqueue.errors import JobQueueError
from jobqueue.settings import Settings


class BrokenSeal(JobQueueError):
    """A record in Redis was not written by this API."""

    code = "broken_seal"


class Seal:
    """Makes and checks seals under one secret."""

    def __init__(self, secret: str | bytes) -> None:
        key = secret.encode() if isinstance(secret, str) else secret
        self._key = hashlib.blake2b(key, person=b"jobqueue seal").digest()

    @classmethod
    def of(cls, settings: Settings) -> Seal:
        """The seal of an installation: its API secret, else its token. Without either no seal is ever found good."""
        return cls(settings.api_secret or settings.token or secrets.token_bytes(32))

    def mark(self, place: str, text: str) -> str:
        """The seal of ``text`` in ``place``: 64 hexadecimal digits."""
        # the length keeps "a" + "bc" apart from "ab" + "c"
        content = f"{len(place)}|{place}|{text}".encode()
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()

    def holds(self, mark: str, place: str, text: str) -> bool:
        """Whether ``mark`` is the seal of ``text`` in ``place``. Takes as long for a wrong one as for a right one."""
        return hmac.compare_digest(mark.encode(), self.mark(place, text).encode())

    def close(self, place: str, text: str) -> str:
        """``text`` with its seal in front."""
        return f"{self.mark(place, text)}{text}"

    def open(self, place: str, sealed: str) -> str:
        """The text in it; raises ``BrokenSeal``."""
        mark, text = sealed[:64], sealed[64:]
        if not self.holds(mark, place, text):
            raise BrokenSeal(f"The record {place!r} in Redis was not written by this API (JOBQUEUE_API_SECRET).")
        return text
