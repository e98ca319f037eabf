"""Notification rules, as ``client.notifications``. Answers are the API's JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from jobqueue.client.errors import InvalidAnswer
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput

Document = dict[str, Any]
_MAX_PAGE = 100


class Notifications:
    """The routes of ``/notification``. Every method raises as those of ``Client``."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def page(self, cursor: str | None = None, limit: int | None = None) -> Document:
        """One page by name: ``{"notifications": [...], "total", "next_cursor"}``, each rule with its last delivery."""
        query = {"cursor": cursor, "limit": limit}
        fields = {name: value for name, value in query.items() if value is not None}
        return self._object("GET", "/notification", query=fields)

    def list(self) -> Iterator[Document]:
        """Every rule, by name."""
        cursor: str | None = None
        while True:
            page = self.page(cursor, _MAX_PAGE)
            yield from page["notifications"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def get(self, name: str) -> Document:
        """A rule with its last ``deliveries``, newest first. Raises ``NotFound``."""
        return self._object("GET", _path(name))

    def put(self, name: str, rule: Mapping[str, Any], *, dry_run: bool = False) -> Document:
        """Store a rule, in place of one with this name; the caller becomes its owner.

        ``rule`` is the body of ``PUT /notification/{name}``: ``{"events": ["job.failed"], "channel": {"type":
        "webhook", "url": "https://...", "secret": {"$secret": "name"}}, "filter": {...}, ...}``. With ``dry_run``
        nothing is stored; the answer has ``change`` (created, changed, unchanged) and ``changes``.
        """
        query = {"dry_run": "true"} if dry_run else {}
        return self._object("PUT", _path(name), body=dict(rule), query=query, repeatable=True)

    def delete(self, name: str) -> None:
        """Delete a rule, with its dead letters. Raises ``NotFound``."""
        self._http.request("DELETE", _path(name))

    def test(self, name: str) -> Document:
        """Send a test message: ``{"sent": 1 or 0, "left", "error"}``."""
        return self._object("POST", _path(name, "test"))

    def dead_letters(self, name: str) -> Document:
        """The messages that were given up, oldest first: ``{"dead_letters": [{"id", "error", "content", ...}]}``."""
        return self._object("GET", _path(name, "dead-letters"))

    def resend(self, name: str, message_id: str | None = None) -> Document:
        """Send dead letters again, at most 20, or one of them: ``{"sent", "left", "error"}``."""
        body = {} if message_id is None else {"id": message_id}
        return self._object("POST", _path(name, "resend"), body=body)

    def _object(self, method: str, path: str, **options: Any) -> Document:
        answer = self._http.request(method, path, **options)
        if not isinstance(answer, dict):
            raise InvalidAnswer(f"The server is not the jobqueue API (no JSON object at {path}).")
        return answer


def _path(name: str, verb: str = "") -> str:
    if name in ("", ".", ".."):  # they would change the route
        raise InvalidInput(f"{name!r} names no notification rule.")
    path = f"/notification/{quote(name, safe='', errors='replace')}"
    return f"{path}/{verb}" if verb else path
