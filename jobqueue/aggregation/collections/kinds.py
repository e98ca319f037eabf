"""The types of fields whose names have no type suffix: by their values, and never one that would change a value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobqueue.aggregation.collections.values import FLAG, INTEGER, MOMENT, REAL, TEXT, Number, moment

DATE = "DATE"

_LEAST, _MOST = -(2**63), 2**63 - 1
_EXACT = 2**53
#: A DOUBLE keeps the value of up to 17 significant digits; what has more was not written by a DOUBLE.
_DIGITS_OF_REAL = 17
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_REAL = re.compile(r"-?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_TYPES = {"flag": FLAG, "date": DATE, "moment": MOMENT, "text": TEXT}
_NUMBERS = frozenset({"whole", "exact", "fraction"})
#: Kinds of values that are neither a list nor an object. ``exact``: a whole number that a DOUBLE would round;
#: ``large``: one beyond 64 bits.
SINGLE = frozenset({*_NUMBERS, "large", *_TYPES})


def of_json(value: object) -> str | None:
    """The kind of a value of JSON; None for a null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return _of_whole(value)
    if isinstance(value, Number):
        return "fraction"
    if isinstance(value, str):
        return _of_time(value) or "text"
    return "list" if isinstance(value, list) else "object"


def of_text(value: str, decimal: str = ".") -> str:
    """The kind of a value of a CSV file: a number, a date or a time only if that keeps what is written."""
    written = value.strip()
    if _WHOLE.fullmatch(written):
        return _of_whole(int(written))
    if written.lower() in ("true", "false"):
        return "flag"
    if decimal != ".":
        written = "" if "." in written else written.replace(decimal, ".")
    if _is_real(written):
        return "fraction"
    return _of_time(value) or "text"


def type_of(kinds: Mapping[str, object]) -> str | None:
    """The type of a column for single values of these kinds (a text without any); None if only texts keep them all."""
    groups = {"number" if kind in _NUMBERS else kind for kind in kinds}
    if "large" in groups or len(groups) > 1 or kinds.keys() >= {"exact", "fraction"}:
        return None
    if "number" in groups:
        return REAL if "fraction" in kinds else INTEGER
    return _TYPES[groups.pop()] if groups else TEXT


def _of_whole(value: int) -> str:
    if not _LEAST <= value <= _MOST:
        return "large"
    return "whole" if abs(value) <= _EXACT else "exact"


def _is_real(written: str) -> bool:
    mantissa = re.split("[eE]", written)[0].lstrip("-").replace(".", "").lstrip("0")
    if not _REAL.fullmatch(written) or not any(sign.isdigit() for sign in re.split("[eE]", written)[0]):
        return False
    number = float(written)
    is_in_range = abs(number) != float("inf") and (number != 0 or not mantissa)
    return is_in_range and len(mantissa) <= _DIGITS_OF_REAL


def _of_time(value: str) -> str | None:
    is_date = _DATE.fullmatch(value) is not None
    if not is_date and not _MOMENT.fullmatch(value):
        return None
    try:
        moment(value)
    except ValueError:
        return None
    return "date" if is_date else "moment"
