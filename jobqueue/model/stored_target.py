"""A stored target: an expression under a name, used as ``@name``."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DESCRIPTION = 500


@dataclass(frozen=True)
class StoredTarget:
    """``text`` is the expression in its canonical spelling, ``changed`` the time of the last change (microseconds),
    ``changed_by`` the name of the principal who made it. ``managed_by`` is the set of files that it was applied from.
    """

    name: str
    text: str
    description: str = ""
    changed: int = 0
    changed_by: str = ""
    managed_by: str = ""
