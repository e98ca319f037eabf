"""A stored target: an expression under a name, used as ``@name``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobqueue.errors import InvalidInput

MAX_DESCRIPTION = 500
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


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


def check_target_name(name: str) -> str:
    """``name`` if it is valid; raises ``InvalidInput``."""
    if not _NAME.fullmatch(name):
        sentence = "Must be 1 to 64 letters, digits or . _ - and begin and end with a letter or digit."
        raise InvalidInput.of("name", sentence)
    return name
