"""Sealed records: what all of them share. A record that the API did not write is reported, and never used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from jobqueue.errors import RecordAltered, RecordChanged
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import BrokenSeal, Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm


@dataclass(frozen=True)
class SealedStorage:
    """The parts of a ledger that the stores of sealed records use."""

    client: redis.Redis
    keys: Keys
    scripts: Scripts
    seal: Seal
    alarm: TamperAlarm
    audit: Audit


class SealedRecords:
    """Seals and opens the records of one kind. ``noun`` and ``remedy`` are for the message about an altered record.

    ``id_field`` names the record in the details of that error.
    """

    def __init__(self, storage: SealedStorage, kind: str, noun: str, remedy: str, id_field: str = "name") -> None:
        self._seal = storage.seal
        self._alarm = storage.alarm
        self._kind = kind
        self._noun = noun
        self._remedy = remedy
        self._id_field = id_field

    def close(self, name: str, text: str) -> str:
        """``text``, preceded by its seal."""
        return self._seal.close(f"{self._kind}|{name}", text)

    def open(self, name: str, sealed: str) -> str:
        """The text of a record. Raises ``RecordAltered``, with an alert, if the API did not write it."""
        location = f"{self._kind}|{name}"
        try:
            return self._seal.open(location, sealed)
        except BrokenSeal as error:
            sentence = (
                f"The {self._noun} {name!r} was not stored by this API: it was altered in Redis, or "
                f"JOBQUEUE_API_SECRET has changed. {self._remedy}"
            )
            self._alarm(location, sentence)
            raise RecordAltered(sentence, {self._id_field: name}) from error


class SealedHash:
    """A Redis hash of sealed records by name, at most ``limit``; each change is atomic with its audit entry."""

    def __init__(self, storage: SealedStorage, kind: str, limit: int) -> None:
        self._storage = storage
        self.key = storage.keys.kind(kind)
        self.kind = kind
        self.limit = limit

    def all(self) -> dict[str, str]:
        """All records, still sealed."""
        with translated_errors():
            records = self._storage.client.hgetall(self.key)
        return {str(name): str(sealed) for name, sealed in records.items()}

    def get(self, name: str) -> str | None:
        """One record, still sealed; None if there is none."""
        with translated_errors():
            sealed = self._storage.client.hget(self.key, name)
        return None if sealed is None else str(sealed)

    def put(self, name: str, before: str, text: str, **details: Any) -> str:
        """Store ``text`` in place of the sealed record ``before`` ('': none): ``done``, ``changed`` or ``full``.

        ``details`` are added to the audit entry.
        """
        return self._change(name, before, self._storage.seal.close(f"{self.kind}|{name}", text), **details)

    def remove(self, name: str, before: str, **details: Any) -> None:
        """Remove the sealed record ``before``, also one whose seal is broken. Raises ``RecordChanged``."""
        if self._change(name, before, "", **details) == "changed":
            raise RecordChanged

    def open(self, name: str, sealed: str | None) -> str | None:
        """The text of a record; None if there is none, or if the API did not write it, which raises the alarm."""
        if sealed is None:
            return None
        location = f"{self.kind}|{name}"
        try:
            return self._storage.seal.open(location, sealed)
        except BrokenSeal as error:
            self._storage.alarm(location, f"{error.message} It is ignored.")
            return None

    def _change(self, name: str, before: str, after: str, **details: Any) -> str:
        arguments = (self.kind, name, before, after, self.limit)
        call = self._storage.scripts.call
        return self._storage.audit.change(lambda entry: call("credential_record", *arguments, *entry), **details)
