"""Sealed records with a name and versions: what saved jobs and workflows share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from jobqueue.errors import Conflict, NotFound, RecordAltered, RecordChanged
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.saved_job import KEPT_VERSIONS, MOST_SAVED


class Versioned(Protocol):
    """A record with versions; ``content`` is everything but its name, number, time and author."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def changed(self) -> int: ...
    @property
    def changed_by(self) -> str: ...
    @property
    def content(self) -> dict[str, Any]: ...


Record = TypeVar("Record", bound=Versioned)


@dataclass(frozen=True)
class VersionedKind:
    """The kind of the records' keys, also the name of their seal and of their audit entries; a noun for messages."""

    name: str
    noun: str


class VersionedRecords(ABC, Generic[Record]):
    """The records of one kind. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage, kind: VersionedKind) -> None:
        self._client = storage.client
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._kind = kind
        self._records = storage.keys.kind(kind.name)
        self._names = storage.keys.kind(f"{kind.name}_names")
        self._versions = storage.keys.kind(f"{kind.name}_versions")
        self._sealed = SealedRecords(storage, kind.name, kind.noun, "It is not used; delete it and store it again.")

    def page(self, after: str, limit: int) -> tuple[list[Record], str | None]:
        """Up to ``limit`` records after the name ``after``, by name, and the name to continue after, if any.

        Altered ones are left out, with an alert.
        """
        with translated_errors():
            start = f"({after}" if after else "-"
            rows = self._client.zrangebylex(self._names, start, "+", start=0, num=limit + 1)
        names = [str(name) for name in rows]
        shown = names[:limit]
        with translated_errors():
            texts = self._client.mget([self._records + name for name in shown]) if shown else []
        records = []
        for name, text in zip(shown, texts, strict=True):
            try:
                records += [self._opened(name, str(text))] if text is not None else []
            except RecordAltered:  # the alarm has been raised; the others are intact
                continue
        return records, shown[-1] if len(names) > limit else None

    def get(self, name: str) -> Record:
        """One record. Raises the error of an unknown name, and ``RecordAltered``."""
        return self._opened(name, self.raw(name))

    def find(self, name: str) -> tuple[Record | None, str]:
        """One record, and its text for ``store``; None and '' without one. Raises ``RecordAltered``."""
        with translated_errors():
            text = self._client.get(self._records + name)
        return (None, "") if text is None else (self._opened(name, str(text)), str(text))

    def versions(self, name: str) -> list[Record]:
        """The newest versions, newest first. Raises the error of an unknown name, and ``RecordAltered``."""
        with translated_errors():
            texts = self._client.lrange(self._versions + name, 0, -1)
        if not texts:
            raise self.unknown(name)
        return [self._opened(name, str(text)) for text in texts]

    def store(self, record: Record, before: str) -> None:
        """Store a record in place of the record ``before`` ('': there was none).

        Raises ``RecordChanged`` if another caller changed it meanwhile, ``Conflict`` if there are too many.
        """
        about = {"version": record.version, "changed": record.changed, "changed_by": record.changed_by}
        sealed = self._sealed.close(record.name, json.dumps(about | record.content))
        answer = self._change(record.name, before, sealed, **{self._kind.name: record.name}, version=record.version)
        if answer == "full":
            raise Conflict(f"There are {MOST_SAVED} {self._kind.noun}s already; delete some first.")
        if answer == "changed":
            raise RecordChanged

    def remove(self, name: str, before: str) -> None:
        """Remove a record with its versions. Raises ``RecordChanged``."""
        if self._change(name, before, "", **{self._kind.name: name}) == "changed":
            raise RecordChanged

    def raw(self, name: str) -> str:
        """The text of a record, also of an altered one, for ``remove``. Raises the error of an unknown name."""
        with translated_errors():
            text = self._client.get(self._records + name)
        if text is None:
            raise self.unknown(name)
        return str(text)

    @abstractmethod
    def unknown(self, name: str) -> NotFound:
        """The error for a name that no record has."""

    @abstractmethod
    def _record(self, name: str, document: Mapping[str, Any]) -> Record:
        """A record as it was stored: its content, with its number, time and author."""

    def _change(self, name: str, before: str, after: str, **details: Any) -> str:
        arguments = (self._kind.name, name, before, after, MOST_SAVED, KEPT_VERSIONS)
        return self._audit.change(lambda entry: self._scripts.call("store_versioned", *arguments, *entry), **details)

    def _opened(self, name: str, sealed: str) -> Record:
        return self._record(name, json.loads(self._sealed.open(name, sealed)))
