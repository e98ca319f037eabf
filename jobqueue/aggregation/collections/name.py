"""Names of collections, and what they are called inside SQL."""

from __future__ import annotations

import re

from jobqueue.errors import InvalidInput

#: What ``sparkSQL`` calls its input; no collection can have this name.
SPARK_INPUT = "spark_input"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")


def check_name(name: str) -> str:
    """``name`` itself; raises ``InvalidInput`` when no collection can have it."""
    if not is_name(name):
        raise InvalidInput(
            f"A collection's name starts with a letter and holds at most 100 letters, digits, _ and -, and is "
            f"not {SPARK_INPUT}; {name[:120]!r} cannot be one."
        )
    return name


def is_name(name: str) -> bool:
    """Whether a collection can have this name."""
    return _NAME.fullmatch(name) is not None and table_key(name) != SPARK_INPUT


def table_name(name: str) -> str:
    """The collection's name inside SQL, where a hyphen means minus: ``my-app_signals`` -> ``my_app_signals``."""
    return name.replace("-", "_")


def table_key(name: str) -> str:
    """The unique key of a table: SQL ignores case. No two collections share a key."""
    return table_name(name).lower()
