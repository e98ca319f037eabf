"""Content of objects in the bucket: what the ledger knows about it, and the addresses at which agents download it.

The bytes are in the bucket under the name of their package, whose record says so. An upload is announced before it
begins, so that nothing stays in the bucket of one that fails, even if the API is killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from jobqueue.errors import LedgerUnavailable, RecordAltered
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.packages import Packages, altered
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.model.alert import BUCKET_FAILURES
from jobqueue.model.package import IN_BUCKET, PackageInfo

#: Seconds that an upload to the bucket may take.
_UPLOAD_SECONDS = 86_400
#: Seconds between two alerts about the bucket.
_ALERT_SECONDS = 3600
#: Keys that one step of a scan examines.
_SCANNED = 500


class BucketContents:
    """The content in the bucket of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(self, keys: Keys, scripts: Scripts, packages: Packages, now: Clock = redis_clock) -> None:
        self._keys = keys
        self._scripts = scripts
        self._packages = packages
        self._now = now

    def installation(self) -> str:
        """The random id of this ledger, made with the first call."""
        key = self._keys.kind("installation")
        self._scripts.command("SET", key, secrets.token_hex(16), "NX")
        return str(self._scripts.command("GET", key))

    def failed(self) -> bool:
        """Count a failure of the bucket; returns whether it is time for an alert, which is counted in place of it."""
        key = self._keys.kind("bucket_alarm")
        if self._scripts.command("SET", key, "1", "NX", "EX", _ALERT_SECONDS):
            return True
        self._scripts.command("HINCRBY", self._keys.kind("stats"), BUCKET_FAILURES, 1)
        return False

    def plan(self, name: str) -> None:
        """Announce an upload: it is deleted from the bucket unless ``commit`` follows in time."""
        self._scripts.call("plan_content", self._now(), name, _UPLOAD_SECONDS * 1_000_000)

    def commit(self, name: str, size: int, sha256: str) -> PackageInfo:
        """The package of an upload that is complete in the bucket."""
        stored = self._packages.commit_in_bucket(name, size, sha256)
        if stored is None:
            raise LedgerUnavailable(
                f"The upload took longer than {_UPLOAD_SECONDS} s, or Redis has lost it. Nothing was stored; send it "
                "again."
            )
        if not self._packages.is_ours(stored):
            raise RecordAltered(altered(name))
        return stored

    def discard(self, name: str) -> None:
        """Have content deleted from the bucket soon."""
        self._scripts.command("ZADD", self._keys.kind("bucket_removals"), 0, name)

    def due(self, limit: int) -> list[str]:
        """Content that is to be deleted from the bucket now."""
        return [str(name) for name in self._scripts.call("due_contents", self._now(), limit)]

    def deleted(self, names: Sequence[str]) -> None:
        """Record that this content is no longer in the bucket."""
        if names:
            self._scripts.command("ZREM", self._keys.kind("bucket_removals"), *names)

    def count_removals(self) -> int:
        """How much content waits for its deletion, or for the end of its upload."""
        return int(self._scripts.command("ZCARD", self._keys.kind("bucket_removals")))

    def is_known(self, name: str) -> bool:
        """Whether the ledger knows this content: a package has it, or it is being uploaded or deleted."""
        if self._scripts.command("EXISTS", self._keys.kind("package") + name):
            return True
        return self._scripts.command("ZSCORE", self._keys.kind("bucket_removals"), name) is not None

    def stored(self) -> Iterator[str]:
        """The names of all content in the bucket, for the doctor: it needs a user that may scan."""
        start, cursor = self._keys.kind("package"), "0"
        while True:
            cursor, keys = self._scripts.command("SCAN", cursor, "MATCH", f"{start}object_*", "COUNT", _SCANNED)
            for key in keys:
                if self._scripts.command("HGET", key, "upload") == IN_BUCKET:
                    yield str(key).removeprefix(start)
            if cursor == "0":
                return

    def ask(self, name: str) -> None:
        """Ask the API for an address of this content, as an agent."""
        self._scripts.command("SADD", self._keys.kind("addresses_asked"), name)

    def asked(self, limit: int) -> list[str]:
        """Take up to ``limit`` names for which an agent has asked."""
        return [str(name) for name in self._scripts.command("SPOP", self._keys.kind("addresses_asked"), limit)]

    def give(self, name: str, text: str, seconds: int) -> None:
        """Give agents an address, as sealed text, for so many seconds."""
        self._scripts.command("SET", self._keys.kind("address") + name, text, "EX", seconds)

    def address(self, name: str) -> str | None:
        """The sealed text with an address, if there is one now."""
        text = self._scripts.command("GET", self._keys.kind("address") + name)
        return None if text is None else str(text)
