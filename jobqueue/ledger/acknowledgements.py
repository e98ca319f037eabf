"""Acknowledgements of alerts in the ledger, one for each kind. Records that the API did not write are ignored."""

from __future__ import annotations

import json
from collections.abc import Iterable

from jobqueue.errors import Conflict, RecordChanged
from jobqueue.ledger.sealed_records import SealedHash, SealedStorage
from jobqueue.model.alert import Acknowledgement

#: Maximum number of acknowledgements; all of them are read together.
MOST_ACKNOWLEDGEMENTS = 1000


class Acknowledgements:
    """The acknowledgements of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage) -> None:
        self._records = SealedHash(storage, "acknowledged", MOST_ACKNOWLEDGEMENTS)

    def all(self) -> dict[str, Acknowledgement]:
        """All acknowledgements, by the kind of alert."""
        acknowledgements = (self._parsed(kind, sealed) for kind, sealed in self._records.all().items())
        return {item.kind: item for item in acknowledgements if item is not None}

    def put(self, item: Acknowledgement) -> None:
        """Store an acknowledgement, in place of the earlier one of the kind.

        Raises ``Conflict`` if there are too many, ``RecordChanged`` if another caller changed it at the same time.
        """
        before = self._records.get(item.kind) or ""
        text = json.dumps({"version": item.version, "by": item.by, "at": item.at, "note": item.note})
        answer = self._records.put(item.kind, before, text)
        if answer == "full":
            raise Conflict(
                f"There are {MOST_ACKNOWLEDGEMENTS} acknowledgements already; reopen some kinds of alerts first."
            )
        if answer == "changed":
            raise RecordChanged

    def remove(self, kind: str) -> None:
        """Remove the acknowledgement of a kind, if there is one. Raises ``RecordChanged``."""
        before = self._records.get(kind)
        if before is not None:
            self._records.remove(kind, before)

    def keep(self, kinds: Iterable[str]) -> None:
        """Remove the acknowledgements of all other kinds: their alerts are gone."""
        for kind in sorted(self._records.all().keys() - set(kinds)):
            self.remove(kind)

    def _parsed(self, kind: str, sealed: str | None) -> Acknowledgement | None:
        text = self._records.open(kind, sealed)
        return None if text is None else Acknowledgement(kind, **json.loads(text))
