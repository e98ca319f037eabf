"""Sealed records with a name and a serial number: what schedules and notification rules share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jobqueue.errors import Conflict, JobQueueError, RecordAltered, RecordChanged
from jobqueue.ledger import decoding
from jobqueue.ledger.scripts import Argument, Clock
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage

_LONGEST_LINE = 500
#: A record as it is read: with its progress and its newest results.
View = TypeVar("View")


@dataclass(frozen=True)
class NumberedKind:
    """A kind of records: the name of its key, of its seal and of its audit entries; and at most ``most`` of them.

    ``noun`` and ``remedy`` are for messages. ``read`` and ``store`` are its scripts; ``kept`` results are kept of each.
    """

    name: str
    noun: str
    remedy: str
    most: int
    kept: int
    read: str
    store: str


def one_line(text: str) -> str:
    """A text in one line of bounded length."""
    return " ".join(text.split())[:_LONGEST_LINE]


def whole_number(text: Any) -> int | None:
    """A number of a record's hash; None for none, and for what the ledger cannot have written."""
    try:
        return decoding.integer(text) if text else None
    except decoding.FAULTS:
        return None


class NumberedRecords(ABC, Generic[View]):
    """The records of one kind. A change names the serial number of the record that the caller read."""

    def __init__(self, storage: SealedStorage, kind: NumberedKind, now: Clock) -> None:
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._now = now
        self._kind = kind
        self._records = SealedRecords(storage, kind.name, kind.noun, kind.remedy)

    def get(self, name: str) -> View:
        """One record with its newest results. Raises the error of an unknown name, and ``RecordAltered``."""
        for view in self.some([name], self._kind.kept):
            if isinstance(view, RecordAltered):
                raise view
            return view
        raise self._unknown(name)

    def some(self, names: Sequence[str], results: int) -> list[View | RecordAltered]:
        """The records that exist among ``names``, each with up to this many of its newest results."""
        if not names:
            return []
        _, *records = self._scripts.call(self._kind.read, results, "", *names)
        return [self._view(*record) for record in records]

    def page(self, after: str, limit: int, results: int) -> tuple[list[View], int, str | None]:
        """Records by name, after a name; how many there are in all, and the name after which the next page begins.

        Altered ones are left out, with an alert.
        """
        total, *records = self._scripts.call(self._kind.read, results, limit, after)
        views = (self._view(*record) for record in records)
        intact = [view for view in views if not isinstance(view, RecordAltered)]
        return intact, int(total), str(records[-1][0]) if len(records) == limit else None

    def serial(self, name: str) -> str:
        """The serial number of a record, also of an altered one, which can be removed with it."""
        serial = self._scripts.command("HGET", self._keys.kind(self._kind.name) + name, "serial")
        if serial is None:
            raise self._unknown(name)
        return str(serial)

    def _store(self, name: str, before: str, *arguments: Argument) -> None:
        terms = (self._now(), name, before, *arguments, self._kind.most)
        script = self._kind.store
        answer = self._audit.change(lambda entry: self._scripts.call(script, *terms, *entry), **{self._kind.name: name})
        if answer == "exists":
            raise self._taken(name)
        if answer == "unknown":
            raise self._unknown(name)
        if answer == "changed":
            raise RecordChanged
        if answer == "full":
            raise Conflict(f"There are {self._kind.most} {self._kind.noun}s already; delete some first.")

    @abstractmethod
    def _view(self, name: str, sealed: str, *rest: Any) -> View | RecordAltered:
        """A record as its script returns it."""

    @abstractmethod
    def _unknown(self, name: str) -> JobQueueError:
        """The error for a name that no record has."""

    @abstractmethod
    def _taken(self, name: str) -> JobQueueError:
        """The error for a new record whose name another one has."""
