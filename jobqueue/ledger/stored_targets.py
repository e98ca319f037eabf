"""Stored targets in the ledger. Every record is sealed: a record that the API did not write is ignored."""

from __future__ import annotations

import json
from typing import Any

import redis

from jobqueue.errors import Conflict, RecordChanged, TargetNotFound
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import BrokenSeal, Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.stored_target import StoredTarget

#: Maximum number of stored targets; all of them are read to list them.
MOST_TARGETS = 1000
_KIND = "targets"


class StoredTargets:
    """The stored targets of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(
        self, client: redis.Redis, keys: Keys, scripts: Scripts, seal: Seal, alarm: TamperAlarm, audit: Audit
    ) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        self._alarm = alarm
        self._audit = audit

    def all(self) -> list[StoredTarget]:
        """All stored targets, by name."""
        with translated_errors():
            records = self._client.hgetall(self._keys.kind(_KIND))
        parsed = (self._parsed(str(name), raw) for name, raw in sorted(records.items()))
        return [target for target in parsed if target is not None]

    def get(self, name: str) -> StoredTarget:
        """One stored target. Raises ``TargetNotFound``."""
        target = self._parsed(name, self._raw(name))
        if target is None:
            raise _unknown(name)
        return target

    def put(self, target: StoredTarget) -> bool:
        """Store a target, in place of one of the same name; returns whether it is new.

        Raises ``Conflict`` if there are too many, ``RecordChanged`` if another caller changed it at the same time.
        """
        before = self._raw(target.name)
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
        sealed = self._seal.close(f"{_KIND}|{target.name}", text)
        answer = self._record(target.name, before or "", sealed, stored=target.name, expression=target.text)
        if answer == "full":
            raise Conflict(f"There are {MOST_TARGETS} stored targets already; delete some first.")
        if answer == "changed":
            raise RecordChanged
        return before is None

    def remove(self, name: str) -> None:
        """Remove a stored target, also one whose seal is broken. Raises ``TargetNotFound``, ``RecordChanged``."""
        before = self._raw(name)
        if before is None:
            raise _unknown(name)
        if self._record(name, before, "", stored=name) == "changed":
            raise RecordChanged

    def _raw(self, name: str) -> str | None:
        with translated_errors():
            raw = self._client.hget(self._keys.kind(_KIND), name)
        return None if raw is None else str(raw)

    def _record(self, name: str, before: str, after: str, **details: Any) -> str:
        """The answer to a change of a record, made atomically with its audit entry."""
        arguments = (_KIND, name, before, after, MOST_TARGETS)
        return self._audit.change(lambda entry: self._scripts.call("credential_record", *arguments, *entry), **details)

    def _parsed(self, name: str, raw: Any) -> StoredTarget | None:
        if raw is None:
            return None
        place = f"{_KIND}|{name}"
        try:
            return StoredTarget(name, **json.loads(self._seal.open(place, str(raw))))
        except BrokenSeal as error:
            self._alarm(place, f"{error.message} It is ignored.")
            return None


def _unknown(name: str) -> TargetNotFound:
    return TargetNotFound(f"No target is stored as {name[:80]!r}; `jobqueue target list` shows all.")
