"""Stored targets in the ledger. Every record is sealed: a record that the API did not write is ignored."""

from __future__ import annotations

import json

from jobqueue.errors import Conflict, RecordChanged, TargetNotFound
from jobqueue.ledger.sealed_records import SealedHash, SealedStorage
from jobqueue.model.stored_target import StoredTarget

#: Maximum number of stored targets; all of them are read to list them.
MOST_TARGETS = 1000


class StoredTargets:
    """The stored targets of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage) -> None:
        self._records = SealedHash(storage, "targets", MOST_TARGETS)

    def all(self) -> list[StoredTarget]:
        """All stored targets, by name."""
        parsed = (self._parsed(name, sealed) for name, sealed in sorted(self._records.all().items()))
        return [target for target in parsed if target is not None]

    def get(self, name: str) -> StoredTarget:
        """One stored target. Raises ``TargetNotFound``."""
        target = self._parsed(name, self._records.get(name))
        if target is None:
            raise _unknown(name)
        return target

    def put(self, target: StoredTarget) -> bool:
        """Store a target, in place of one of the same name; returns whether it is new.

        Raises ``Conflict`` if there are too many, ``RecordChanged`` if another caller changed it at the same time.
        """
        before = self._records.get(target.name)
        text = json.dumps(
            {
                "text": target.text,
                "description": target.description,
                "changed": target.changed,
                "changed_by": target.changed_by,
                # an earlier version does not know it
                **({"managed_by": target.managed_by} if target.managed_by else {}),
            }
        )
        answer = self._records.put(target.name, before or "", text, stored=target.name, expression=target.text)
        if answer == "full":
            raise Conflict(f"There are {MOST_TARGETS} stored targets already; delete some first.")
        if answer == "changed":
            raise RecordChanged
        return before is None

    def remove(self, name: str) -> None:
        """Remove a stored target, also one whose seal is broken. Raises ``TargetNotFound``, ``RecordChanged``."""
        before = self._records.get(name)
        if before is None:
            raise _unknown(name)
        self._records.remove(name, before, stored=name)

    def _parsed(self, name: str, sealed: str | None) -> StoredTarget | None:
        text = self._records.open(name, sealed)
        return None if text is None else StoredTarget(name, **json.loads(text))


def _unknown(name: str) -> TargetNotFound:
    return TargetNotFound(f"No target is stored as {name[:80]!r}; `jobqueue target list` shows all.")
