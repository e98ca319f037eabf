"""Saved jobs in the ledger, with their versions. Every record is sealed, for the API signs the jobs made from it."""

from __future__ import annotations

import json
from typing import Any

from jobqueue.errors import Conflict, RecordAltered, RecordChanged, SavedJobNotFound
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.saved_job import KEPT_VERSIONS, MOST_SAVED, SavedJob


class SavedJobs:
    """The saved jobs of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        remedy = "It is not used; delete it and store it again."
        self._sealed = SealedRecords(storage, "saved", "saved job", remedy)

    def page(self, after: str, limit: int) -> tuple[list[SavedJob], str | None]:
        """Up to ``limit`` saved jobs after the name ``after``, by name, and the name to continue after, if any.

        Altered ones are left out, with an alert.
        """
        with translated_errors():
            start = f"({after}" if after else "-"
            names = [
                str(name)
                for name in self._client.zrangebylex(self._keys.kind("saved_names"), start, "+", start=0, num=limit + 1)
            ]
        shown = names[:limit]
        with translated_errors():
            texts = self._client.mget([self._keys.saved(name) for name in shown]) if shown else []
        saved_jobs = []
        for name, text in zip(shown, texts, strict=True):
            try:
                saved_jobs += [self._opened(name, str(text))] if text is not None else []
            except RecordAltered:  # the alarm has been raised; the others are intact
                continue
        return saved_jobs, shown[-1] if len(names) > limit else None

    def get(self, name: str) -> SavedJob:
        """One saved job. Raises ``SavedJobNotFound``, ``RecordAltered``."""
        return self._opened(name, self.raw(name))

    def find(self, name: str) -> tuple[SavedJob | None, str]:
        """One saved job, and its text for ``store``; None and '' without one. Raises ``RecordAltered``."""
        with translated_errors():
            text = self._client.get(self._keys.saved(name))
        return (None, "") if text is None else (self._opened(name, str(text)), str(text))

    def versions(self, name: str) -> list[SavedJob]:
        """The newest versions, newest first. Raises ``SavedJobNotFound``, ``RecordAltered``."""
        with translated_errors():
            texts = self._client.lrange(self._keys.saved_versions(name), 0, -1)
        if not texts:
            raise SavedJobNotFound.of(name)
        return [self._opened(name, str(text)) for text in texts]

    def store(self, saved: SavedJob, before: str) -> None:
        """Store a saved job in place of the record ``before`` ('': there was none).

        Raises ``RecordChanged`` if another caller changed it meanwhile, ``Conflict`` if there are too many.
        """
        record = {"version": saved.version, "changed": saved.changed, "changed_by": saved.changed_by, **saved.content}
        sealed = self._sealed.close(saved.name, json.dumps(record))
        answer = self._change(saved.name, before, sealed, saved=saved.name, version=saved.version)
        if answer == "full":
            raise Conflict(f"There are {MOST_SAVED} saved jobs already; delete some first.")
        if answer == "changed":
            raise RecordChanged

    def remove(self, name: str, before: str) -> None:
        """Remove a saved job with its versions. Raises ``RecordChanged``."""
        if self._change(name, before, "", saved=name) == "changed":
            raise RecordChanged

    def raw(self, name: str) -> str:
        """The record of a saved job, also of an altered one, for ``remove``. Raises ``SavedJobNotFound``."""
        with translated_errors():
            text = self._client.get(self._keys.saved(name))
        if text is None:
            raise SavedJobNotFound.of(name)
        return str(text)

    def _change(self, name: str, before: str, after: str, **details: Any) -> str:
        arguments = (name, before, after, MOST_SAVED, KEPT_VERSIONS)
        return self._audit.change(lambda entry: self._scripts.call("store_saved_job", *arguments, *entry), **details)

    def _opened(self, name: str, sealed: str) -> SavedJob:
        record = json.loads(self._sealed.open(name, sealed))
        record |= {field: tuple(record[field]) for field in ("run_by", "edit_by")}
        return SavedJob(name, **record)
