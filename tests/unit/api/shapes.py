"""What is asserted of many answers."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

#: The smallest good request.
GOOD: dict[str, Any] = {"operation": {"type": "node.hostname.get"}}


def good(**fields: Any) -> dict[str, Any]:
    return {**GOOD, **fields}


def error(response: Response, status: int, *words: str, field: str | None = None) -> dict[str, Any]:
    """Assert the one error shape, with ``words`` in its sentence and ``field`` among its details; returns the body."""
    body = response.get_json()
    assert response.status_code == status, body
    assert response.content_type == "application/json"
    assert set(body) == {"error", "code", "details"}
    assert body["code"] == status
    assert isinstance(body["error"], str)
    assert body["error"]
    assert "Traceback" not in response.get_data(as_text=True)
    assert response.headers["X-Request-Id"]
    for word in words:
        assert word in body["error"], body["error"]
    if field is not None:
        assert field in body["details"], body["details"]
        assert all(isinstance(message, str) for message in body["details"][field])
        assert field in body["error"]
    return body
