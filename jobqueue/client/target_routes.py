"""Routes of stored targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobqueue.client.routes import Routes, path_of


class TargetRoutes(Routes):
    """Stores targets, and completes what is typed."""

    def targets(self) -> dict[str, Any]:
        """``{"targets": [{"name", "target", "description", "changed", "changed_by"}], "total": n}``."""
        return self._object("GET", "/target")

    def target(self, name: str) -> dict[str, Any]:
        """A stored target, with the ``hosts`` that it names now."""
        return self._object("GET", path_of("/target", name))

    def set_target(self, name: str, target: str, description: str = "") -> dict[str, Any]:
        """Store an expression under a name, for use as ``@name``; replaces one of the same name."""
        body = {"target": target, "description": description}
        return self._object("PUT", path_of("/target", name), body=body, repeatable=True)

    def put_target(
        self, name: str, body: Mapping[str, Any], *, dry_run: bool = False, assume: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Store a target, or replace it. ``body`` is that of ``PUT /target/{name}``: ``target``, ``description``,
        ``managed_by``.

        ``dry_run`` stores nothing, takes the targets ``assume`` for stored, and adds ``change`` (created, changed or
        unchanged) and ``changes`` to the answer.
        """
        query = {"dry_run": "true", **({"assume": ",".join(assume)} if assume else {})} if dry_run else {}
        return self._object("PUT", path_of("/target", name), body=body, query=query, repeatable=True)

    def delete_target(self, name: str) -> None:
        """Remove a stored target that no other refers to."""
        self._http.request("DELETE", path_of("/target", name))

    def complete_target(self, text: str) -> list[str]:
        """Completions of a target that has been typed so far."""
        return list(self._object("GET", "/target/complete", query={"q": text})["completions"])
