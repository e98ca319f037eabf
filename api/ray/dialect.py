"""Errors as Ray's client expects them: the sentence, as plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Response

from api.ray.submission_id import RESERVED_TYPES

#: Resources of Fusion's Jobs API, which a colon tells from submission ids.
_RESOURCE = re.compile(rf"/api/jobs/({'|'.join(RESERVED_TYPES)}):")
_ROOTS = ("/api/jobs", "/api/packages", "/api/version")


def belongs(path: str) -> bool:
    """Whether ``path`` is one of Ray's."""
    if _RESOURCE.match(path):
        return False
    return path.startswith(tuple(f"{root}/" for root in _ROOTS)) or path in _ROOTS


def render(status: int, message: str, _details: Mapping[str, Any] | None) -> Response:
    """The answer for an error."""
    return Response(message, status, content_type="text/plain; charset=utf-8")
