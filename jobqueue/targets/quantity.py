"""Comparing what an agent reports with a value in an expression: numbers with units, and versions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from packaging.version import InvalidVersion, Version

Value = str | int | float | bool

_QUANTITY = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,9})?)([kKMGTP]i?B?|B)?")
_FACTORS: Mapping[str, int] = {
    "": 1,
    **{letter + end: 1000**power for power, letter in enumerate("kMGTP", 1) for end in ("", "B")},
    **{letter + end: 1000 for letter in "K" for end in ("", "B")},
    **{letter + end: 1024**power for power, letter in enumerate("KMGTP", 1) for end in ("i", "iB")},
    **{letter + end: 1024 for letter in "k" for end in ("i", "iB")},
    "B": 1,
}
_NUMBERS = re.compile(r"[vV]?([0-9]{1,9}(?:\.[0-9]{1,9}){0,7})")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_Numbers = tuple[int, ...]


def quantity(text: str) -> float | None:
    """``8``, ``1.5``, ``16GiB`` (1024 each), ``16GB`` (1000 each) as a number; None for anything else."""
    match = _QUANTITY.fullmatch(text)
    return float(match[1]) * _FACTORS[match[2] or ""] if match else None


def is_comparable(text: str) -> bool:
    """Whether ``<`` and its like take the value: a quantity, or text that begins with a number."""
    return quantity(text) is not None or bool(_NUMBERS.match(text))


def comparison(operator_text: str, value: str) -> Callable[[Value], bool]:
    """Whether a value is, for example, less than ``value``, which ``is_comparable``.

    Numbers, and texts where ``value`` has a unit, are compared as numbers; other texts as versions: by PEP 440, or
    else by the numbers separated by dots with which they begin (``6.1.0-13-amd64`` is 6.1.0). What cannot be compared
    does not match.
    """
    holds = _COMPARISONS[operator_text]
    number = quantity(value)
    has_unit = number is not None and value[-1].isalpha()

    def matches(actual: Value) -> bool:
        if not isinstance(actual, str):
            return number is not None and holds(actual, number)
        if has_unit:  # without a unit, 6.10 is a version after 6.9
            actual_quantity = quantity(actual)
            return actual_quantity is not None and holds(actual_quantity, number)
        pair = _versions(actual, value)
        return pair is not None and holds(*pair)

    return matches


def _versions(left: str, right: str) -> tuple[object, object] | None:
    """Both as versions that can be compared with each other, or None."""
    versions = _version(left), _version(right)
    if versions[0] is not None and versions[1] is not None:
        return versions
    numbers = _leading_numbers(left), _leading_numbers(right)
    if not numbers[0] or not numbers[1]:
        return None
    width = max(map(len, numbers))
    padded = [number + (0,) * (width - len(number)) for number in numbers]
    return padded[0], padded[1]


@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version(text) if len(text) <= 100 else None
    except InvalidVersion:
        return None


def _leading_numbers(text: str) -> _Numbers:
    match = _NUMBERS.match(text)
    return tuple(map(int, match[1].split("."))) if match else ()
