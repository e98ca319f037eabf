"""How a set-up that fails is reported."""

from __future__ import annotations

from typing import Any

from jobqueue.errors import OperationFailed

SETUP_FAILURE = "RUNTIME_ENV_SETUP_FAILURE"


def setup_failed(message: str, **more: Any) -> OperationFailed:
    """The error for a runtime environment that could not be set up; ``more`` are further details, as JSON."""
    return OperationFailed(message, {"error_type": SETUP_FAILURE, "message": message, **more})
