"""Workflows in the ledger, with their versions. Every record is sealed, for the API signs the jobs of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.errors import WorkflowNotFound
from jobqueue.ledger.sealed_records import SealedStorage
from jobqueue.ledger.versioned_records import VersionedKind, VersionedRecords
from jobqueue.model.workflow import Workflow


class Workflows(VersionedRecords[Workflow]):
    """The workflows of one ledger."""

    def __init__(self, storage: SealedStorage) -> None:
        super().__init__(storage, VersionedKind("workflow", "workflow"))

    def unknown(self, name: str) -> WorkflowNotFound:
        """The error for a name that no workflow has."""
        return WorkflowNotFound.of(name)

    def _record(self, name: str, document: Mapping[str, Any]) -> Workflow:
        return Workflow.of(name, document)
