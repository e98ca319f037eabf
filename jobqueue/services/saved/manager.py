"""Stores saved jobs, and makes submissions of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob, group_of
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services.saved import making
from jobqueue.services.versioned import VersionedManager


class SavedJobManager(VersionedManager[SavedJob]):
    """Stores, lists, runs and removes saved jobs. A run has its caller's permissions, no others."""

    def __init__(self, ledger: Ledger, registry: Registry) -> None:
        super().__init__(ledger, ledger.saved_jobs, "saved job")
        self._registry = registry

    def submission(
        self,
        name: str,
        parameters: Mapping[str, Any],
        principal: Principal,
        *,
        target: str | None = None,
        version: int | None = None,
        **options: Any,
    ) -> Submission:
        """The submission of a run: the saved job with these values of its parameters, for ``principal``.

        ``target`` is another target than its own, if it allows one; ``version`` is the only one that may run;
        ``options`` are further fields of ``Submission``, such as ``idempotency_key``. Raises ``SavedJobNotFound``,
        ``PermissionDenied`` if the principal may not run it (what else its job needs is checked when it is submitted),
        ``InvalidInput`` (a parameter, the target), ``RecordChanged`` (another version).
        """
        saved = self.get(name)
        if not saved.may_run(principal):
            raise self.denied(principal, saved, "run")
        self.check_version(saved, name, version)
        origin = {"saved": {"name": saved.name, "version": saved.version}, "groups": (group_of(saved.name),)}
        return making.submission(saved, self._registry, parameters, principal, target, **origin | options)

    def _checked(self, record: SavedJob, principal: Principal, *, is_assumed: bool) -> SavedJob:  # noqa: ARG002
        saved = making.checked(record, self._registry)
        making.require_rights(saved, principal, self._registry)
        return saved

    def _numbered(self, record: SavedJob, **fields: Any) -> SavedJob:
        return replace(record, **fields)
