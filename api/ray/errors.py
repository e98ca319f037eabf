"""Errors as Ray's client expects them: the message as plain text; for openYuanrong's, as a JSON string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Response

from api.ray import yuanrong
from api.ray.submission_id import RESERVED_TYPES
from api.responses import json_response

#: Resources of Fusion's Jobs API; the colon distinguishes them from submission ids.
_RESOURCE = re.compile(rf"/api/jobs/({'|'.join(RESERVED_TYPES)}):")
_ROOTS = ("/api/jobs", "/api/packages", "/api/version", "/api/gcs_healthz", "/api/authentication_mode")


def belongs(path: str) -> bool:
    """Whether ``path`` belongs to Ray's API."""
    if _RESOURCE.match(path):
        return False
    return path.startswith(tuple(f"{root}/" for root in _ROOTS)) or path in _ROOTS


def render(status: int, message: str, _details: Mapping[str, Any] | None) -> Response:
    """The response for an error."""
    if yuanrong.is_spoken():
        return json_response(message, status)
    return Response(message, status, content_type="text/plain; charset=utf-8")
