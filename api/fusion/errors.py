"""Errors in the format of Fusion's services."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response

from api import request_id
from api.responses import json_response


def render(status: int, message: str, details: Mapping[str, Any] | None) -> Response:
    """``{httpStatusCode, httpStatusMessage, error, message, details, requestId}``."""
    phrase = HTTPStatus(status).phrase
    document = {
        "httpStatusCode": status,
        "httpStatusMessage": phrase,
        "error": phrase.lower().replace(" ", "-"),
        "message": message,
        "details": dict(details) if details else {},
        "requestId": request_id.current(),
    }
    return json_response(document, status)
