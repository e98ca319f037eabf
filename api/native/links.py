"""Paths of the API in its answers."""

from __future__ import annotations

from flask import has_request_context, request


def path(route: str) -> str:
    """A route of the native API as the caller reaches it: behind the path that the API is served under, and with
    ``/api`` if the caller uses that.
    """
    if not has_request_context():
        return route
    prefix = "/api" if request.path.startswith("/api/") else ""
    return f"{request.script_root}{prefix}{route}"
