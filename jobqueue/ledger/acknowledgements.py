"""Acknowledgements of alerts in the ledger, one for each kind. Records that the API did not write are ignored."""

from __future__ import annotations

import json
from collections.abc import Iterable

import redis

from jobqueue.errors import Conflict, RecordChanged
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import BrokenSeal, Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.alert import Acknowledgement

#: Maximum number of acknowledgements; all of them are read together.
MOST_ACKNOWLEDGEMENTS = 1000
_KIND = "acknowledged"


class Acknowledgements:
    """The acknowledgements of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(
        self, client: redis.Redis, keys: Keys, scripts: Scripts, seal: Seal, alarm: TamperAlarm, audit: Audit
    ) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        self._alarm = alarm
        self._audit = audit

    def all(self) -> dict[str, Acknowledgement]:
        """All acknowledgements, by the kind of alert."""
        found = (self._parsed(kind, raw) for kind, raw in self._records().items())
        return {one.kind: one for one in found if one is not None}

    def put(self, one: Acknowledgement) -> None:
        """Store an acknowledgement, in place of the earlier one of the kind.

        Raises ``Conflict`` if there are too many, ``RecordChanged`` if another caller changed it at the same time.
        """
        before = self._records().get(one.kind, "")
        text = json.dumps({"version": one.version, "by": one.by, "at": one.at, "note": one.note})
        answer = self._record(one.kind, before, self._seal.close(_place(one.kind), text))
        if answer == "full":
            raise Conflict(
                f"There are {MOST_ACKNOWLEDGEMENTS} acknowledgements already; reopen some kinds of alerts first."
            )
        if answer == "changed":
            raise RecordChanged

    def remove(self, kind: str) -> bool:
        """Remove the acknowledgement of a kind; returns whether there was one. Raises ``RecordChanged``."""
        before = self._records().get(kind)
        if before is None:
            return False
        if self._record(kind, before, "") == "changed":
            raise RecordChanged
        return True

    def keep(self, kinds: Iterable[str]) -> None:
        """Remove the acknowledgements of all other kinds: their alerts are gone."""
        gone = sorted(self._records().keys() - set(kinds))
        if gone:
            with translated_errors():
                self._client.hdel(self._keys.kind(_KIND), *gone)

    def _records(self) -> dict[str, str]:
        with translated_errors():
            return {str(kind): str(raw) for kind, raw in self._client.hgetall(self._keys.kind(_KIND)).items()}

    def _record(self, kind: str, before: str, after: str) -> str:
        """The answer to a change of a record, made atomically with its audit entry."""
        arguments = (_KIND, kind, before, after, MOST_ACKNOWLEDGEMENTS)
        return self._audit.change(lambda entry: self._scripts.call("credential_record", *arguments, *entry))

    def _parsed(self, kind: str, raw: str) -> Acknowledgement | None:
        try:
            return Acknowledgement(kind, **json.loads(self._seal.open(_place(kind), raw)))
        except BrokenSeal as error:
            self._alarm(_place(kind), f"{error.message} It is ignored.")
            return None


def _place(kind: str) -> str:
    return f"{_KIND}|{kind}"
