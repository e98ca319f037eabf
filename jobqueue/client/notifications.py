"""Notification rules, as ``client.notifications``. Answers are the API's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobqueue.client.routes import Document, Routes, pages_of, path_of, without_none

_MAX_PAGE = 100


class Notifications(Routes):
    """The routes of ``/notification``. Every method raises as those of ``Client``."""

    def page(self, cursor: str | None = None, limit: int | None = None) -> Document:
        """One page by name: ``{"notifications": [...], "total", "next_cursor"}``, each rule with its last delivery."""
        query = {"cursor": cursor, "limit": limit}
        return self._object("GET", "/notification", query=without_none(query))

    def list(self) -> Iterator[Document]:
        """Every rule, by name."""
        for page in pages_of(self.page, limit=_MAX_PAGE):
            yield from page["notifications"]

    def get(self, name: str) -> Document:
        """A rule with its last ``deliveries``, newest first. Raises ``NotFound``."""
        return self._object("GET", path_of("/notification", name))

    def put(self, name: str, rule: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """Store a rule, in place of one with this name; the caller becomes its owner.

        ``rule`` is the body of ``PUT /notification/{name}``: ``{"events": ["job.failed"], "channel": {"type":
        "webhook", "url": "https://...", "secret": {"$secret": "name"}}, "filter": {...}, ...}``. With ``dry_run``
        nothing is stored; the answer has ``change`` (created, changed, unchanged) and ``changes``.
        """
        query = {"dry_run": "true"} if dry_run else {}
        return self._object("PUT", path_of("/notification", name), body=dict(rule), query=query, repeatable=True)

    def delete(self, name: str) -> None:
        """Delete a rule, with its dead letters. Raises ``NotFound``."""
        self._http.request("DELETE", path_of("/notification", name))

    def test(self, name: str) -> Document:
        """Send a test message: ``{"sent": 1 or 0, "left", "error"}``."""
        return self._object("POST", path_of("/notification", name, "test"))

    def dead_letters(self, name: str) -> Document:
        """The messages that were given up, oldest first: ``{"dead_letters": [{"id", "error", "content", ...}]}``."""
        return self._object("GET", path_of("/notification", name, "dead-letters"))

    def resend(self, name: str, message_id: str | None = None) -> Document:
        """Send dead letters again, at most 20, or one of them: ``{"sent", "left", "error"}``."""
        body = {} if message_id is None else {"id": message_id}
        return self._object("POST", path_of("/notification", name, "resend"), body=body)
