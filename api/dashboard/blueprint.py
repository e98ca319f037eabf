"""The dashboard's routes: the overview at ``/``, all others under ``/ui``."""

from __future__ import annotations

import flask

blueprint = flask.Blueprint("dashboard", __name__)

PREFIX = "/ui"


#: Pages of the API itself that a browser may request before signing in.
DOCUMENTS = frozenset({"/docs", "/openapi.json", "/api/docs", "/api/openapi.json"})


def belongs(path: str) -> bool:
    """Whether a path is the dashboard's."""
    return path in ("/", PREFIX) or path.startswith(f"{PREFIX}/")
