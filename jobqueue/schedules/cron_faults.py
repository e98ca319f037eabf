"""What is wrong with a cron expression, or surely not meant, in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ITEM = re.compile(r"(?P<first>\*|[0-9]+|[A-Za-z]{3})(?:-(?P<last>[0-9]+|[A-Za-z]{3}))?(?:/(?P<step>[0-9]+))?")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_SHOWN = 40


@dataclass(frozen=True)
class _Field:
    """``count``: how many values there are; ``names`` are those of the numbers from ``least`` on."""

    name: str
    least: int
    most: int
    count: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int | None:
        """The number that a word stands for; None for one that it does not know."""
        if word.isdigit():
            return int(word)
        return self.names.index(word.upper()) + self.least if word.upper() in self.names else None


_FIELDS = (
    _Field("minute", 0, 59, 60),
    _Field("hour", 0, 23, 24),
    _Field("day of the month", 1, 31, 31),
    _Field("month", 1, 12, 12, _MONTHS),
    _Field("day of the week", 0, 7, 7, _DAYS),
)


def fault(expression: str) -> str:
    """Why an expression of five fields is refused, as a sentence; empty if no item shows it."""
    return next((sentence for field, item, match in _items(expression) if (sentence := _fault(field, item, match))), "")


def surprise(expression: str) -> str:
    """Why a valid expression runs at other times than it seems to say; empty if it does not."""
    steps = (_surprise(field, item, match) for field, item, match in _items(expression))
    return next((sentence for sentence in steps if sentence), "")


def _items(expression: str) -> Iterator[tuple[_Field, str, re.Match[str]]]:
    for field, text in zip(_FIELDS, expression.split(), strict=False):
        for item in text.split(","):
            match = _ITEM.fullmatch(item) if item.isascii() else None
            if match is not None:
                yield field, item, match


def _fault(field: _Field, item: str, match: re.Match[str]) -> str:
    shown = f"The {field.name} {item[:_SHOWN]!r}"
    if match["step"] is not None and int(match["step"]) == 0:
        return f"{shown} has a step of 0; a step is at least 1."
    words = [match["first"], *([match["last"]] if match["last"] else [])]
    numbers = [field.number(word) for word in words if word != "*"]
    if any(number is not None and not field.least <= number <= field.most for number in numbers):
        return f"{shown} is not within {field.least}-{field.most}."
    first, *rest = numbers or [None]
    if first is not None and rest and rest[0] is not None and rest[0] < first:
        wrapped = f"{match['first']}-{field.most},{field.least}-{match['last']}"
        return f"{shown} is a range that ends before it begins; write {wrapped} for one that goes on at the start."
    return ""


def _surprise(field: _Field, item: str, match: re.Match[str]) -> str:
    step = int(match["step"] or 1)
    if match["first"] == "*":
        first, reach = field.least, field.count
    else:
        begin = field.number(match["first"])
        end = field.number(match["last"]) if match["last"] else field.most
        if begin is None or end is None or begin == end:
            return ""
        first, reach = begin, end - begin
    if step <= reach:
        return ""
    return (
        f"The {field.name} {item[:_SHOWN]!r} has a step of {step}, which reaches beyond its last value: it would match "
        f"{first} only. Write {first}, or use `every` for an interval such as 90m."
    )
