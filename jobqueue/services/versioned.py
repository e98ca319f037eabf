"""Stores records with versions: what saved jobs and workflows share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from jobqueue.errors import InvalidInput, NotFound, PermissionDenied, RecordChanged
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.versioned_records import Versioned, VersionedRecords
from jobqueue.model.changes import Change, changes
from jobqueue.model.principal import Principal
from jobqueue.model.record_name import check_record_name
from jobqueue.model.saved_job import RUN, WRITE


class GrantedRecord(Versioned, Protocol):
    """A record with versions that lists who may run and change it (``model.saved_job.Granted``)."""

    @property
    def run_by(self) -> tuple[str, ...]: ...
    @property
    def edit_by(self) -> tuple[str, ...]: ...
    def may_run(self, principal: Principal) -> bool: ...
    def may_edit(self, principal: Principal) -> bool: ...


Record = TypeVar("Record", bound=GrantedRecord)


@dataclass(frozen=True)
class RecordChange(Generic[Record]):
    """The effect of storing a record, real or planned: ``change`` is created, changed or unchanged."""

    record: Record
    change: str
    differences: tuple[Change, ...]


class VersionedManager(ABC, Generic[Record]):
    """Stores, lists and removes the records of one kind; ``noun`` names it in messages."""

    def __init__(self, ledger: Ledger, records: VersionedRecords[Record], noun: str) -> None:
        self._ledger = ledger
        self._records = records
        self._noun = noun

    def page(self, after: str = "", limit: int = 100) -> tuple[list[Record], str | None]:
        """Up to ``limit`` records after the name ``after``, and the name to continue after, if there are more."""
        return self._records.page(after, limit)

    def get(self, name: str) -> Record:
        """One record. Raises the error of an unknown name, and ``RecordAltered``."""
        return self._records.get(name)

    def exists(self, name: str) -> bool:
        """Whether there is a record of this name, also an altered one."""
        try:
            self._records.raw(name)
        except NotFound:
            return False
        return True

    def versions(self, name: str) -> list[Record]:
        """Its newest versions, newest first. Raises the error of an unknown name."""
        return self._records.versions(name)

    def version(self, name: str, number: int) -> Record:
        """One of its versions. Raises the error of an unknown name, ``InvalidInput`` for one that is not kept."""
        versions = self.versions(name)
        for record in versions:
            if record.version == number:
                return record
        sentence = (
            f"There is no version {number} of {name!r}; {versions[-1].version} to {versions[0].version} are kept."
        )
        raise InvalidInput.of("version", sentence)

    def put(
        self,
        record: Record,
        principal: Principal,
        *,
        expected: int | None = None,
        is_dry_run: bool = False,
        is_assumed: bool = False,
    ) -> RecordChange[Record]:
        """Store a record, in place of one of the same name. The same content makes no new version.

        ``expected`` is the version that the caller read, 0 for none. ``is_assumed``: other records that it names and
        that do not exist are not checked; for a dry run only. Raises ``InvalidInput``, ``PermissionDenied`` if
        ``edit_by`` does not include the principal, or the principal may not submit its jobs on every host: others, and
        schedules of others, run it with their own permissions. ``RecordChanged`` if there is another version.
        """
        check_record_name(record.name)
        before, text = self._records.find(record.name)
        if before is not None and not before.may_edit(principal):
            raise self.denied(principal, before, "edit")
        self.check_version(before, record.name, expected)
        record = self._checked(record, principal, is_assumed=is_assumed and is_dry_run)
        differences = tuple(changes({} if before is None else before.content, record.content))
        if before is not None and not differences:
            return RecordChange(before, "unchanged", ())
        number = 1 if before is None else before.version + 1
        new_version = self._numbered(record, version=number, changed=self._ledger.time(), changed_by=principal.name)
        if not is_dry_run:
            self._records.store(new_version, text)
        return RecordChange(new_version, "created" if before is None else "changed", differences)

    def restore(
        self, name: str, number: int, principal: Principal, *, expected: int | None = None
    ) -> RecordChange[Record]:
        """Make an earlier version the newest one, as a new version. It is then no longer managed by files."""
        earlier = self._numbered(self.version(name, number), managed_by="")
        return self.put(earlier, principal, expected=expected)

    def remove(self, name: str, principal: Principal, *, expected: int | None = None) -> None:
        """Remove a record and its versions. Raises as ``put``, and the error of an unknown name.

        One that was altered can be removed by those who may do everything.
        """
        if principal.may("*"):
            self._records.remove(name, self._records.raw(name))
            return
        before, text = self._records.find(name)
        if before is None:
            raise self._records.unknown(name)
        if not before.may_edit(principal):
            raise self.denied(principal, before, "edit")
        self.check_version(before, name, expected)
        self._records.remove(name, text)

    def check_version(self, current: Record | None, name: str, expected: int | None) -> None:
        """Raise ``RecordChanged`` unless the version is the one that a caller expects; None: any."""
        version = 0 if current is None else current.version
        if expected is None or expected == version:
            return
        if current is None:
            raise RecordChanged(
                f"The {self._noun} {name!r} does not exist, so it has no version {expected}.", {"version": 0}
            )
        raise RecordChanged(
            f"The {self._noun} {name!r} has version {version}, by {current.changed_by}, not {expected}; read it again.",
            {"version": version, "changed_by": current.changed_by},
        )

    def denied(self, principal: Principal, record: Record, verb: str) -> PermissionDenied:
        """The error for a principal that may not ``run`` or ``edit`` a record."""
        permission = RUN if verb == "run" else WRITE
        if not principal.may(permission):
            return PermissionDenied.of(principal.name, permission)
        allowed = ", ".join(record.run_by if verb == "run" else record.edit_by)
        return PermissionDenied(
            f"{principal.name or 'This caller'} may not {verb} the {self._noun} {record.name!r}; {verb}_by lists "
            f"{allowed}."
        )

    @abstractmethod
    def _checked(self, record: Record, principal: Principal, *, is_assumed: bool) -> Record:
        """The record, complete, once its content and the rights of the principal were checked (see ``put``)."""

    @abstractmethod
    def _numbered(self, record: Record, **fields: Any) -> Record:
        """The record with these fields."""
