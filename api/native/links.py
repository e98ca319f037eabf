"""Paths of the API in its answers."""

from __future__ import annotations

from flask import has_request_context

from api.context import http_request


def path(route: str) -> str:
    """A route of the native API as the caller reaches it: behind the path that the API is served under, and with
    ``/api`` if the caller uses that.
    """
    if not has_request_context():
        return route
    current = http_request()
    prefix = "/api" if current.path.startswith("/api/") else ""
    return f"{current.script_root}{prefix}{route}"
