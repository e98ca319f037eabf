"""Decoding values of records that an attacker with write access to Redis may have altered: each type is checked.

All functions raise ``ValueError`` (or one of the ``FAULTS``) that names the fault.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.job_fields import JobField, Kind
from jobqueue.model.needs import Needs
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout

#: The exceptions that decoding an altered record can raise.
FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, InvalidInput)
#: Microseconds: in the year 2255, which Lua, JSON and a date can all represent.
LATEST = 9_000_000_000_000_000
#: Maximum nesting of objects and lists; twice what a caller may send, since results are nested in other objects.
_DEEPEST = 200


def integer(text: Any, most: int = LATEST) -> int:
    """A non-negative integer: 0 to ``most``."""
    integer = int(text) if isinstance(text, int) or str(text).isdecimal() else -1
    if isinstance(text, bool) or not 0 <= integer <= most or len(str(text)) > 20:
        raise ValueError("invalid number")
    return integer


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError("invalid text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError("invalid list of strings")
    return tuple(value)


def number(value: Any) -> float:
    """A finite number; booleans are rejected."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        raise ValueError("invalid number")
    return value


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise ValueError("invalid object")
    return value


def pairs_of_texts(value: Any) -> dict[str, str]:
    """An object of texts."""
    pairs = object_of(value)
    texts(list(pairs.values()))
    return pairs


def parsed(source: Any) -> Any:
    """JSON of bounded depth, so that it can be encoded again."""
    raw = text(source)
    document = json.loads(raw)
    if raw.count("[") + raw.count("{") > _DEEPEST and _depth(document) > _DEEPEST:
        raise ValueError("nested too deeply")
    return document


def parsed_object(source: Any) -> dict[str, Any]:
    """A JSON object, from its text."""
    return object_of(parsed(source))


def policy(value: Any) -> RetryPolicy:
    """A retry policy."""
    fields = object_of(value)
    for each in fields.values():
        number(each)
    return RetryPolicy(**fields)


def needs(value: Any) -> Needs:
    """The needs of a job."""
    return Needs.read(object_of(value))


def rollout(value: Any) -> Rollout:
    """The terms of a rollout."""
    return Rollout.read(object_of(value))


def concurrency(value: Any) -> Concurrency:
    """The terms of a concurrency key."""
    return Concurrency.read(object_of(value))


def field(about: JobField, value: Any) -> Any:
    """One field of a job, as stored in the document or the hash; its default if it is missing."""
    if value is None:
        if about.is_required or not about.is_signed:
            raise ValueError(f"it has no {about.name}")
        return about.default
    return _DECODERS[about.kind](value)


def numbers_of(record: Mapping[Any, Any]) -> dict[str, int]:
    """The fields of a hash whose values are whole numbers: the valid counters."""
    numbers = {}
    for name, value in record.items():
        digits = str(value).removeprefix("-")
        if digits.isdecimal() and len(digits) < 20:
            numbers[str(name)] = int(value)
    return numbers


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            part
            for item in level
            if isinstance(item, (dict, list))
            for part in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


_DECODERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: text,
    Kind.NUMBER: number,
    Kind.DIGIT: partial(integer, most=9),
    Kind.TIME: integer,
    Kind.TEXTS: texts,
    Kind.PAIRS: pairs_of_texts,
    Kind.OBJECT: object_of,
    Kind.POLICY: policy,
    Kind.NEEDS: needs,
    Kind.ROLLOUT: rollout,
    Kind.CONCURRENCY: concurrency,
}


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """The fields and values of a hash from a list in which they alternate."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
