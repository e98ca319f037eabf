"""Errors as OSAPI's clients expect them: ``{"error", "code", "details"}`` with the details as one text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Response

from api.responses import json_response

#: Where this API has its routes; native routes below are served here, too, and have its errors.
_PATHS = re.compile(r"/api/(agent|audit|facts|file|health|job|node)(/|$)")


def belongs(path: str) -> bool:
    """Whether ``path`` belongs to OSAPI's API."""
    return _PATHS.match(path) is not None


def render(status: int, message: str, details: Mapping[str, Any] | None) -> Response:
    """The response for an error. Without details, their text is empty."""
    return json_response({"error": message, "code": status, "details": text_of(details or {})}, status)


def text_of(details: Mapping[str, Any]) -> str:
    """Details on one line: ``field: message; other field: message``."""
    return "; ".join(f"{name}: {_text(value)}" for name, value in details.items())


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({text_of(value)})"
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else str(value)
