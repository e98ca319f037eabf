"""/session: signing in by a name and a password, as clients of Fusion do. Their requests then carry a cookie."""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, Response, current_app, g, request

from api import audit
from api.auth import gate
from api.body import read_object
from api.dashboard import access
from api.responses import json_response
from jobqueue.errors import InvalidInput

blueprint = Blueprint("session", __name__)

#: A name and a password need no more. The body is read before authentication.
MOST_BYTES = 4096


@blueprint.post("/session")
def begin() -> Response:
    """Check the name and the password; the answer sets the cookie."""
    request.max_content_length = MOST_BYTES
    keeper = access.of_this_app()
    with keeper.counted():
        keeper.sessions.require_no_other_page(request.environ)
        body = read_object()
        user, password = _text(body, "username"), _text(body, "password")
    principal = gate.of(current_app).authenticate(_credentials(user, password))
    g.principal = principal  # for the audit trail
    audit.note(name=principal.name)
    response = json_response({"user": principal.name}, 201)
    keeper.sessions.begin(response, principal, request.environ, for_programs=True)
    return response


@blueprint.delete("/session")
def end() -> Response:
    """End the session, and delete its cookie."""
    response = Response(status=204)
    access.of_this_app().sessions.end(request.environ, response)
    return response


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput.of(name, "Missing; give a name and a password, both strings.")
    return value


def _credentials(user: str, password: str) -> dict[str, Any]:
    """A request environment with the credentials as Basic authentication."""
    if ":" in user:
        raise InvalidInput.of("username", "Must not contain a colon.")
    header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return {**request.environ, "HTTP_AUTHORIZATION": header, "HTTP_COOKIE": ""}
