"""The dashboard's own files: style, script, icon. Nothing comes from another host."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Response

from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import NotFound

_STATIC = Path(__file__).parent / "static"
_YEAR = 365 * 86_400
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def _content(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


@cache
def _names() -> dict[str, str]:
    """Name -> media type, of every file that there is: nothing else can be asked for."""
    return {
        str(path.relative_to(_STATIC)): _TYPES.get(path.suffix, "text/plain; charset=utf-8")
        for path in _STATIC.rglob("*")
        if path.is_file()
    }


@cache
def address_of(name: str) -> str:
    """Where a file is served; the address changes with its content, so that browsers may keep it."""
    digest = hashlib.blake2b(_content(name), digest_size=8).hexdigest()
    return f"{PREFIX}/static/{name}?{digest}"


@blueprint.get(f"{PREFIX}/static/<path:name>")
def static(name: str) -> Response:
    """One file."""
    media_type = _names().get(name)
    if media_type is None:
        raise NotFound(f"The dashboard has no file {name[:80]!r}.")
    headers = {
        "Cache-Control": f"public, max-age={_YEAR}, immutable",
        # an image can be opened as a page of its own
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(_content(name), headers=headers, content_type=media_type)
