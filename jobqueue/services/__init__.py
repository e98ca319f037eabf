"""The use cases, called by every API (and through the API by the CLI).

``Services`` is imported on first use: maintenance needs only one service, and must not need the API's packages.
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
