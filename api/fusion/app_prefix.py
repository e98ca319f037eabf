"""Routes below /api/apps/{app}: the app's name is ignored."""

from __future__ import annotations

from typing import Any

from flask import Blueprint


def blueprint(name: str) -> Blueprint:
    """A blueprint that can be served below an app's name as well."""
    routes = Blueprint(name, __name__)
    routes.url_value_preprocessor(_take_off)
    return routes


def _take_off(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    if values:
        values.pop("app", None)
