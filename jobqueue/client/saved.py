"""Saved jobs, as ``client.saved``. Answers are the API's JSON."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from jobqueue.client.routes import Document, Routes, pages_of, path_of, without_none
from jobqueue.model.saved_job import MAX_PAGE

#: Fields of an answer that a request does not take, besides options that are null.
COMPUTED = frozenset({"name", "version", "changed", "changed_by"})


class SavedJobs(Routes):
    """The routes of ``/saved``. ``name`` is that of a saved job, without ``@``.

    Every method raises as those of ``Client``.
    """

    def page(self, cursor: str | None = None, limit: int | None = None) -> Document:
        """One page by name: ``{"saved": [...], "next_cursor"}``."""
        query = {"cursor": cursor, "limit": limit}
        return self._object("GET", "/saved", query=without_none(query))

    def list(self) -> Iterator[Document]:
        """Every saved job, by name."""
        for page in pages_of(self.page, limit=MAX_PAGE):
            yield from page["saved"]

    def get(self, name: str, version: int | None = None) -> Document:
        """One saved job, or one of its earlier versions. Raises ``NotFound``."""
        return self._object("GET", path_of("/saved", name), query={} if version is None else {"version": version})

    def put(
        self, name: str, saved: Mapping[str, Any], *, version: int | None = None, dry_run: bool = False
    ) -> Document:
        """Save a job under a name: ``{"saved", "change", "changes"}``; ``change`` is created, changed or unchanged.

        ``saved`` is the body of ``PUT /saved/{name}``: that of ``POST /job`` with ``parameters``. ``version`` is the
        one that was read, 0 for none: with another one stored, this raises ``Conflict``. ``dry_run`` stores nothing.
        """
        body = {**saved, **({} if version is None else {"version": version})}
        query = {"dry_run": "true"} if dry_run else {}
        # a repeated request finds the version that the first one stored, which is no conflict without a version
        return self._object("PUT", path_of("/saved", name), body=body, query=query, repeatable=version is None)

    def delete(self, name: str) -> None:
        """Delete a saved job and its versions. Raises ``NotFound``."""
        self._http.request("DELETE", path_of("/saved", name))

    def versions(self, name: str) -> Document:
        """The kept versions, newest first: ``{"name", "versions": [...]}``."""
        return self._object("GET", path_of("/saved", name, "versions"))

    def diff(self, name: str, before: int | None = None, after: int | None = None) -> Document:
        """What changed between two versions (default: the newest two): ``{"from", "to", "changes": [{"field",
        "before", "after"}]}``.
        """
        query = {"from": before, "to": after}
        return self._object("GET", path_of("/saved", name, "diff"), query=without_none(query))

    def restore(self, name: str, version: int) -> Document:
        """Make an earlier version the newest one; answers as ``put``."""
        return self._object("POST", path_of("/saved", name, "restore"), body={"version": version})

    def run(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> Document:
        """Run it: ``{"job_id", "status", "revision", "timestamp"}`` of the accepted job.

        ``options``: ``target_hostname``, ``version``, ``not_before``, ``expires_at``, ``plan_hash``,
        ``idempotency_key`` (by default, each call generates its own).
        """
        body = {"parameters": dict(parameters or {}), "idempotency_key": uuid.uuid4().hex, **options}
        return self._object("POST", path_of("/saved", name, "run"), body=body, repeatable=True)

    def plan(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> Document:
        """What ``run`` with the same arguments would do; nothing is submitted."""
        body = {"parameters": dict(parameters or {}), **options}
        return self._object("POST", path_of("/saved", name, "plan"), body=body, repeatable=True)


def body_of(saved: Mapping[str, Any]) -> Document:
    """A saved job, as the API shows it, as the body that stores it."""
    body = {name: value for name, value in saved.items() if name not in COMPUTED and value not in (None, [], {}, "")}
    return {name: value for name, value in body.items() if not (name == "target_override" and value is False)}
