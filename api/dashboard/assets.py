"""The dashboard's own files: style, script, icon. Nothing comes from another host."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import flask
from flask import Response

from api.dashboard.blueprint import PREFIX, blueprint

_STATIC = Path(__file__).parent / "static"
_YEAR = 365 * 86_400


@cache
def address_of(name: str) -> str:
    """Where a file is served; the address changes with its content, so that browsers may keep it."""
    digest = hashlib.blake2b((_STATIC / name).read_bytes(), digest_size=8).hexdigest()
    return f"{PREFIX}/static/{name}?{digest}"


@blueprint.get(f"{PREFIX}/static/<path:name>")
def static(name: str) -> Response:
    """One file."""
    response = flask.send_from_directory(_STATIC, name)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    return response
