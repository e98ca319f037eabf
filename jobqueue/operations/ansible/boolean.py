"""Booleans in the arguments of modules, in every spelling that ansible-core accepts."""

from __future__ import annotations

from typing import Any

_TRUE = frozenset({"y", "yes", "on", "1", "true", "t"})
_FALSE = frozenset({"n", "no", "off", "0", "false", "f"})


def boolean(value: Any) -> bool | None:
    """The boolean that ansible-core reads in ``value``; None for a value that it refuses, and for None."""
    if isinstance(value, str):
        word = value.lower().strip()
        return True if word in _TRUE else False if word in _FALSE else None
    return bool(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None
