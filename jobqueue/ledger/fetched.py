"""Content of files that executions have sent, in pieces, in keys of the host that sent them.

Nothing here is trusted: the agent's signed result names each file with its digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobqueue.errors import NotFound
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.model.pieces import PIECE_BYTES

_DIGITS = 17


class FetchedFiles:
    """The sent files of all executions of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(self, scripts: Scripts, keys: Keys) -> None:
        self._scripts = scripts
        self._keys = keys

    def open(self, claim: Claim) -> int | None:
        """Remove what an earlier attempt sent; returns how many hosts the job has, None if the claim is stale."""
        hosts = int(self._scripts.call("open_fetched", claim.job_id, claim.hostname, claim.token))
        return hosts if hosts > 0 else None

    def reserve(self, claim: Claim, size: int, most: int) -> bool | None:
        """Reserve ``size`` bytes until the job is deleted; it may be repeated.

        False if the files of all jobs would have more than ``most`` bytes: nothing is reserved then. None if the claim
        is stale.
        """
        answer = self._scripts.call("reserve_fetched", claim.job_id, claim.hostname, claim.token, size, most)
        return None if answer == "stale" else bool(answer == "reserved")

    def total(self) -> int:
        """How many bytes are reserved for the files of all jobs. Agents count them: 0 for anything but a number."""
        text = self._scripts.command("HGET", self._keys.kind("fetched_bytes"), "all")
        return int(text) if text and text.isdecimal() and len(text) < _DIGITS else 0

    def store(self, claim: Claim, number: int, piece: bytes) -> bool:
        """Store one piece of at most ``PIECE_BYTES``; it may be repeated. False if the claim is stale."""
        return bool(self._scripts.call("store_fetched", claim.job_id, claim.hostname, claim.token, number, piece))

    def content(self, job_id: str, hostname: str) -> SentContent:
        """What one host has sent for a job."""
        return SentContent(self._scripts, self._keys.fetched(job_id, hostname), hostname)


class SentContent:
    """What one host has sent for one job. Not thread-safe: it keeps the last piece, which may end in several files."""

    def __init__(self, scripts: Scripts, key: str, hostname: str) -> None:
        self._scripts = scripts
        self._key = key
        self._hostname = hostname
        self._kept: tuple[int, bytes] = (-1, b"")

    def read(self, start: int, size: int) -> Iterator[bytes]:
        """``size`` bytes from the offset ``start``.

        Raises ``NotFound`` where a piece is missing, or is longer than an agent stores them: it is not read then.
        """
        number, skipped = divmod(start, PIECE_BYTES)
        remaining = size
        while remaining > 0:
            part = self._piece(number)[skipped : skipped + remaining]
            if not part:
                raise self._incomplete(number)
            yield part
            remaining -= len(part)
            number, skipped = number + 1, 0

    def _piece(self, number: int) -> bytes:
        if self._kept[0] != number:
            size = int(self._scripts.command("HSTRLEN", self._key, number))
            if not 0 < size <= PIECE_BYTES:
                raise self._incomplete(number)
            piece: bytes | None = self._scripts.command("HGET", self._key, number, binary=True)
            if piece is None:
                raise self._incomplete(number)
            self._kept = (number, piece)
        return self._kept[1]

    def _incomplete(self, number: int) -> NotFound:
        return NotFound(f"what {self._hostname} has sent is no longer complete in Redis (piece {number})")
