"""Parts of long texts. A cut is marked by dots: redaction looks for secrets that were cut beside them."""

from __future__ import annotations

_DOTS = "..."


def beginning(text: str, limit: int) -> str:
    """``text``, or its beginning and dots, at most ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - len(_DOTS)] + _DOTS


def end(text: str, limit: int) -> str:
    """``text``, or dots and its end, at most ``limit`` characters."""
    return text if len(text) <= limit else _DOTS + text[len(text) - limit + len(_DOTS) :]
