"""How deeply a JSON document is nested: writing it again needs as deep a stack, and may fail where reading did not."""

from __future__ import annotations

from typing import Any


def is_deeper(value: Any, levels: int) -> bool:
    """Whether ``value`` has more than ``levels`` levels; looks at lists and objects only, and never recurses."""
    level = [part for part in (value,) if type(part) is dict or type(part) is list]
    for _ in range(levels):
        items = (item for part in level for item in (part.values() if type(part) is dict else part))
        level = [item for item in items if type(item) is dict or type(item) is list]
        if not level:
            break
    return bool(level)
