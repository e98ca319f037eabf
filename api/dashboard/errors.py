"""Errors as pages; unauthenticated visitors are redirected to the sign-in page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import flask
from flask import Response, request

from api import audit, request_id
from api.auth.request_credentials import RequestCredentials
from api.auth.session import cookie_of
from api.dashboard import pages
from api.dashboard.blueprint import DOCUMENTS

_TITLES = {
    400: "Invalid request",
    401: "Please sign in",
    403: "This is not allowed",
    404: "Not found",
    409: "Conflict",
    429: "Too many requests",
    501: "Use the dashboard of a cell",
    503: "The ledger is unavailable",
}


def wants_page(path: str) -> bool:
    """Whether a browser asks for the API's own documents: programs do not accept HTML."""
    return path in DOCUMENTS and flask.has_request_context() and "text/html" in request.headers.get("Accept", "")


def render(status: int, message: str, details: Mapping[str, Any] | None) -> Response:
    """The page for an error under the dashboard's paths, or of a browser that asked for the API's documents."""
    if status == 401:
        if request.method in ("GET", "HEAD"):
            if RequestCredentials.of(request.environ) is not None or cookie_of(request.environ) is not None:
                audit.turned_away()  # with a cookie or a key that is not good, or not any more
            target = request.full_path.rstrip("?")
            query = "" if target == "/" else f"?{urlencode({'next': target})}"
            response = flask.redirect(pages.link(f"/ui/sign-in{query}"), 303)
            response.headers["Cache-Control"] = "no-store"
            return flask.make_response(response)
        message = "Your session has ended: sign in again, then repeat what you did."
    title = _TITLES.get(status, "Something went wrong")
    if status == 503 and details and not details.keys().isdisjoint(("cell", "cells")):  # of a front
        title = "A cell does not answer"
    return pages.render(
        "error.html", status, title=title, message=message, code=status, request_id=request_id.current()
    )
