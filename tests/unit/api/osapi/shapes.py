"""What is asserted of many answers."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response


def refused(response: Response, status: int, *words: str) -> dict[str, Any]:
    """Assert OSAPI's error shape, with ``words`` in its sentence; returns the body."""
    body: dict[str, Any] = response.get_json()
    assert response.status_code == status, body
    assert set(body) == {"error", "code", "details"}
    assert body["code"] == status
    assert isinstance(body["error"], str)
    assert isinstance(body["details"], str)
    for word in words:
        assert word in body["error"], body["error"]
    return body
