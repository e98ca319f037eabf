"""What the routes of all nouns share: requests with JSON objects as answers, paths, queries, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from jobqueue.client.errors import InvalidAnswer
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput
from jobqueue.model.timestamps import to_iso, to_micros

Document = dict[str, Any]

_NOUNS = {
    "/saved": "saved job",
    "/notification": "notification rule",
    "/file": "object",
    "/workflow-run": "run of a workflow",
}


class Routes:
    """Routes of one API."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def _object(self, method: str, path: str, **options: Any) -> Document:
        return self._checked(self._http.request(method, path, **options), path)

    def _checked(self, answer: Any, path: str) -> Document:
        if not isinstance(answer, dict):
            raise InvalidAnswer(f"The server at {self._http.url} is not the jobqueue API (no JSON object at {path}).")
        return answer


def path_of(collection: str, name: str, verb: str = "") -> str:
    """``/job/<name>/<verb>`` with ``name`` quoted; names that would change the route are rejected.

    These are ``.``, ``..`` and those with a slash, which servers read as one even if it is quoted.
    """
    if name in ("", ".", "..") or "/" in name:
        raise InvalidInput(f"{name!r} names no {_NOUNS.get(collection, collection.removeprefix('/'))}.")
    path = f"{collection}/{quote(name, safe='', errors='replace')}"
    return f"{path}/{verb}" if verb else path


def without_none(fields: Mapping[str, Any]) -> Document:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def pages_of(read: Callable[..., Document], **query: Any) -> Iterator[Document]:
    """All pages of a list, of which ``read`` returns one."""
    page = read(**query)
    yield page
    while (cursor := page.get("next_cursor")) is not None:
        page = read(**{**query, "cursor": cursor})
        yield page


def time_text(moment: datetime | str | None) -> str | None:
    """A time as the API reads it."""
    return to_iso(to_micros(moment)) if isinstance(moment, datetime) else moment
