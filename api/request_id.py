"""One id per request, on every response and in every log line about it."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
_ENVIRON_NAME = "HTTP_X_REQUEST_ID"
# nothing that could break out of a header, a log line or a terminal
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def current() -> str:
    """The id of the request at hand: the caller's own if it is safe to repeat, else a new one."""
    found: str | None = g.get("request_id")
    if found is None:
        theirs: str = request.environ.get(_ENVIRON_NAME, "")
        found = theirs if theirs and _SAFE.fullmatch(theirs) else str(uuid.uuid4())
        g.request_id = found
    return found


def install(app: Flask) -> None:
    """Put the id on every response of ``app``."""

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers[HEADER] = current()
        return response
