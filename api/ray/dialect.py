"""Errors as Ray's client expects them: the sentence, as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

_ROOTS = ("/api/jobs", "/api/packages", "/api/version")


def belongs(path: str) -> bool:
    """Whether ``path`` is one of Ray's."""
    return path.startswith(tuple(f"{root}/" for root in _ROOTS)) or path in _ROOTS


def render(status: int, message: str, _details: Mapping[str, Any] | None) -> Response:
    """The answer for an error."""
    return Response(message, status, content_type="text/plain; charset=utf-8")
