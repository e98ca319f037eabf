"""Values of typed fields: converted without loss, or refused with a message."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

INTEGER, REAL, FLAG, TEXT, TEXTS = "BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "VARCHAR[]"
MOMENT = "TIMESTAMP WITH TIME ZONE"

_LEAST, _MOST = -(2**63), 2**63 - 1
_DIGITS = re.compile(r"[+-]?[0-9]{1,400}")
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class Number(float):
    """A number that JSON wrote with a fraction or an exponent; ``text`` is how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        number = super().__new__(cls, text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text[:40]} is too large for a number")
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
    if not _WHOLE.fullmatch(written) and not (isinstance(value, Number) and value.is_integer()):
        raise ValueError(f"{shown(value)} is not a whole number{_hint(value, decimal)}")
    number = int(value) if isinstance(value, Number) else int(written.partition(".")[0])
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{shown(value)} does not fit into 64 bits")
    return number


def _real(value: Any, decimal: str) -> float:
    written = _number(value, decimal)
    if not _REAL.fullmatch(written):
        raise ValueError(f"{shown(value)} is not a number{_hint(value, decimal)}")
    number = float(written)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{shown(value)} does not fit into a DOUBLE")
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


def _moment(value: Any, _decimal: str) -> str:
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError(f"{shown(value)} is not a time; write it as 2025-10-17T18:56:14.660Z")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat()


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


def _hint(value: Any, decimal: str) -> str:
    is_comma = isinstance(value, str) and decimal == "." and re.fullmatch(r"\s*[+-]?[0-9]+,[0-9]+\s*", value)
    return "; pass --decimal , if the file writes decimals with a comma" if is_comma else ""
