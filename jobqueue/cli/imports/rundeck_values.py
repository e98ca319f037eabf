"""Values of Rundeck's definitions, which are text in XML and often in YAML, too."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.cli.views.text import one_line

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:[0-9]{1,9}[smhdw]\s*)+|[0-9]{1,9}")
_PIECE = re.compile(r"([0-9]+)([smhdw]?)")


def as_flag(value: Any, name: str) -> bool:
    """A boolean, also as text; missing is false. Raises ``NotTakenOver``."""
    text = str(value).strip().lower()
    if value is None or text in ("false", "no", ""):
        return False
    if text in ("true", "yes"):
        return True
    raise NotTakenOver(f"{name} is {one_line(value)!r}, neither true nor false.")


def as_number(value: Any, name: str, least: int) -> int:
    """A whole number, also as text. Raises ``NotTakenOver``."""
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise NotTakenOver(f"{name} is {one_line(value)!r}, not a number from {least} on.")
    return int(text)


def as_seconds(value: Any, name: str) -> int:
    """A duration such as ``120`` or ``6h 30m``. Raises ``NotTakenOver``."""
    text = str(value).strip()
    if not _DURATION.fullmatch(text):
        raise NotTakenOver(f"{name} is {one_line(value)!r}, not a duration such as 120 or 6h 30m.")
    return sum(int(number) * _UNITS[unit] for number, unit in _PIECE.findall(text))


def as_line(value: Any, longest: int) -> str:
    """A text of several lines as one of printable characters; empty without a value."""
    words = " ".join(str("" if value is None else value).split())
    return "".join(filter(str.isprintable, words))[:longest].rstrip()


def check_fields(value: Mapping[str, Any], known: Collection[str], name: str) -> None:
    """Raise ``NotTakenOver`` for a field that the importer does not know."""
    unknown = sorted(str(field) for field in value if field not in known)
    if unknown:
        raise NotTakenOver(f"{name} has the unknown field {one_line(unknown[0])}.")
