"""Reading the query strings of pages. Where the API refuses an invalid value, a page uses the default."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import request


def text(name: str, most: int = 300) -> str:
    """A parameter without blanks around it; empty if it is not given."""
    return request.args.get(name, "").strip()[:most]


def number(name: str, default: int, most: int) -> int:
    """A parameter from 0 to ``most``."""
    text = request.args.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 19 else default


def with_changes(**changes: str | int | None) -> str:
    """This page's query with some parameters changed, or left out (None)."""
    unchanged = {name: value for name, value in request.args.items() if value and name not in changes}
    changed = {name: str(value) for name, value in changes.items() if value is not None and value != ""}
    return f"?{urlencode({**unchanged, **changed})}" if unchanged or changed else "?"
