"""The use cases. Every API, and through it the CLI, ends here.

``Services`` is imported on first use: maintenance needs one service, and none of the packages of the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobqueue.services.services import Services as Services

__all__ = ["Services"]


def __getattr__(name: str) -> Any:
    if name != "Services":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jobqueue.services.services import Services

    return Services
