"""Saved jobs in the ledger, with their versions. Every record is sealed, for the API signs the jobs made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.errors import SavedJobNotFound
from jobqueue.ledger.sealed_records import SealedStorage
from jobqueue.ledger.versioned_records import VersionedKind, VersionedRecords
from jobqueue.model.saved_job import SavedJob


class SavedJobs(VersionedRecords[SavedJob]):
    """The saved jobs of one ledger."""

    def __init__(self, storage: SealedStorage) -> None:
        super().__init__(storage, VersionedKind("saved", "saved job"))

    def unknown(self, name: str) -> SavedJobNotFound:
        """The error for a name that no saved job has."""
        return SavedJobNotFound.of(name)

    def _record(self, name: str, document: Mapping[str, Any]) -> SavedJob:
        grants = {field: tuple(document[field]) for field in ("run_by", "edit_by")}
        return SavedJob(name, **{**document, **grants})
