"""Values of typed fields: converted without loss, or refused with a message."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

INTEGER, REAL, FLAG, TEXT, TEXTS = "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "VARCHAR[]"
MOMENT = "TIMESTAMP WITH TIME ZONE"

_LEAST, _MOST = -(2**63), 2**63 - 1
_MOST_DIGITS = len(str(_MOST))
_DIGITS = re.compile(r"[+-]?[0-9]{1,400}")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BEYOND_MICROSECONDS = re.compile(r"[.,][0-9]{6}0*[1-9]")
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class Number(float):
    """A number that JSON wrote with a fraction or an exponent; ``text`` is how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text[:40]} is too large for a number")
        if _is_underflow(number, text):
            raise ValueError(f"{text[:40]} is too small for a number")
        number.text = text
        return number


def typed(value: Any, kind: str, decimal: str = ".") -> Any:
    """``value`` (of JSON, or a text of a CSV) as one of the type ``kind``; raises ``ValueError`` that says why not."""
    if value is None:
        return None
    if kind == TEXTS:
        items = value if isinstance(value, list) else [value]
        return [None if item is None else text(item) for item in items]
    if isinstance(value, list):
        # Solr accepts a list of one for a single-valued field, but no longer list
        if len(value) != 1:
            raise ValueError(f"{shown(value)} is a list of {len(value)} values; a field of this name has one")
        return typed(value[0], kind, decimal)
    if kind == TEXT:
        return text(value)
    return _READERS[kind](value, decimal)


def text(value: Any) -> str:
    """A single value of JSON as a text, as it was written. Raises ``ValueError`` for a list or an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, int):
        return str(value)
    raise ValueError(f"{shown(value)} is not a text")


def shown(value: Any) -> str:
    """A value as an error quotes it."""
    quoted = repr(value.text if isinstance(value, Number) else value)
    return quoted if len(quoted) <= 80 else f"{quoted[:77]}..."


def _integer(value: Any, decimal: str) -> int:
    written = _number(value, decimal)
    number = _whole(value) if isinstance(value, Number) else None
    if number is None:
        if not _WHOLE.fullmatch(written):
            raise ValueError(f"{shown(value)} is not a whole number{_hint(value, decimal)}")
        digits = written.partition(".")[0]
        number = int(digits) if len(digits.lstrip("+-0")) <= _MOST_DIGITS else _MOST + 1
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{shown(value)} does not fit into 64 bits")
    return number


def _whole(value: Number) -> int | None:
    """The number as it is written (a float would round it); None if it has a fraction."""
    exact = Decimal(value.text)
    if not exact:
        return 0
    return int(exact) if exact == exact.to_integral_value() else None


def _real(value: Any, decimal: str) -> float:
    written = _number(value, decimal)
    if not _REAL.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a number{_hint(value, decimal)}")
    number = float(written)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{shown(value)} does not fit into a DOUBLE")
    if _is_underflow(number, written):
        raise ValueError(f"{shown(value)} is too small for a DOUBLE")
    if _DIGITS.fullmatch(written) and int(number) != int(written):
        raise ValueError(f"{shown(value)} has more digits than a DOUBLE holds")
    return number


def _flag(value: Any, _decimal: str) -> bool:
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
    if flag is None:
        raise ValueError(f"{shown(value)} is neither true nor false")
    return flag


def moment(value: str) -> datetime:
    """The time of an ISO 8601 text, in UTC; a time without a zone is one in UTC. Raises ``ValueError``."""
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        raise ValueError(f"{shown(value)} is not a time; write it as 2025-10-17T18:56:14.660Z") from error
    if _BEYOND_MICROSECONDS.search(value):
        raise ValueError(f"{shown(value)} has more than microseconds, which no timestamp keeps")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{shown(value)} is outside the years 1 to 9999 in UTC") from error


def _moment(value: Any, _decimal: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a time; write it as 2025-10-17T18:56:14.660Z")
    return moment(value).isoformat()


_READERS = {INTEGER: _integer, REAL: _real, FLAG: _flag, MOMENT: _moment}


def _number(value: Any, decimal: str) -> str:
    """How a number is written, with a point. Raises ``ValueError`` for another kind of value."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a number")
    written = value.strip()
    if decimal != ".":
        # a point would be a thousands separator, which the input does not declare
        written = "?" if "." in written else written.replace(decimal, ".")
    return written


def _is_underflow(number: float, written: str) -> bool:
    """Whether a number that is not zero became zero."""
    return number == 0 and any(digit in "123456789" for digit in re.split("[eE]", written)[0])


def _hint(value: Any, decimal: str) -> str:
    is_comma = isinstance(value, str) and decimal == "." and re.fullmatch(r"\s*[+-]?[0-9]+,[0-9]+\s*", value)
    return "; pass --decimal , if the file writes decimals with a comma" if is_comma else ""
