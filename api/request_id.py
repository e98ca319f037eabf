"""One id per request, on every response and in every log line about it."""

from __future__ import annotations

from flask import Flask, Response

from api.context import http_request, notes
from api.correlation import HEADER, chosen

_ENVIRON_NAME = "HTTP_X_REQUEST_ID"


def current() -> str:
    """The id of the current request: the caller's own if it is safe to repeat, else a new one."""
    noted = notes()
    request_id: str | None = noted.get("request_id")
    if request_id is None:
        request_id = noted.request_id = chosen(http_request().environ.get(_ENVIRON_NAME, ""))
    return request_id


def install(app: Flask) -> None:
    """Put the id on every response of ``app``."""

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers[HEADER] = current()
        return response
