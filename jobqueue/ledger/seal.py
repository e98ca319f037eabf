"""Seals: HMACs that prove that the API wrote a record in Redis, and in this location.

Redis holds the credentials and roles. Without seals, an attacker with write access to Redis, who cannot read the API's
secret, could grant himself access and have the API sign his work.
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
    """Computes and checks seals with one secret."""

    def __init__(self, secret: str | bytes) -> None:
        key = secret.encode() if isinstance(secret, str) else secret
        #: The state of the HMAC after its key, which takes longer than most texts.
        self._keyed = hmac.new(hashlib.blake2b(key, person=b"jobqueue seal").digest(), digestmod="sha256")

    @classmethod
    def of(cls, settings: Settings) -> Seal:
        """The seal of an installation: its API secret, else its token. Without either, every seal is rejected."""
        return cls(settings.api_secret or settings.token or secrets.token_bytes(32))

    def mark(self, location: str, text: str) -> str:
        """The seal of ``text`` in ``location``: 64 hexadecimal digits."""
        # the length separates "a" + "bc" from "ab" + "c"
        mac = self._keyed.copy()
        mac.update(f"{len(location)}|{location}|{text}".encode())
        return mac.hexdigest()

    def holds(self, mark: str, location: str, text: str) -> bool:
        """Whether ``mark`` is the seal of ``text`` in ``location``, in constant time."""
        return hmac.compare_digest(mark.encode(), self.mark(location, text).encode())

    def close(self, location: str, text: str) -> str:
        """``text``, preceded by its seal."""
        return f"{self.mark(location, text)}{text}"

    def open(self, location: str, sealed: str) -> str:
        """The text without its seal; raises ``BrokenSeal``."""
        mark, text = sealed[:64], sealed[64:]
        if not self.holds(mark, location, text):
            raise BrokenSeal(f"The record {location!r} in Redis was not written by this API (JOBQUEUE_API_SECRET).")
        return text
