"""Fields that accept exactly the documented types: no numbers in strings, no booleans as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from jobqueue.model.job_fields import MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS
from jobqueue.model.timestamps import to_micros

#: Wrong tags of one job that are named.
_MOST_NAMED = 5

_REQUIRED = "Missing; it is required."
_NULL = "May not be null; leave it out or give a value."
_COMMON = {"required": _REQUIRED, "null": _NULL, "validator_failed": "Invalid value."}

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"-?[0-9]{1,18}")
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
# kept exactly by Lua and by JSON readers that know only doubles, with room for arithmetic
_LATEST = to_micros(datetime(2200, 1, 1, tzinfo=timezone.utc))


def about(text: str, **more: Any) -> dict[str, Any]:
    """Metadata with the description of a field for the API's documentation."""
    return {"description": text, **more}


def length(least: int, most: int) -> validate.Length:
    """The bounds of a text, in characters."""
    return validate.Length(least, most, error="Must be {min} to {max} characters long.")


def between(least: float, most: float) -> validate.Range:
    """The bounds of a number."""
    return validate.Range(least, most, error="Must be from {min} to {max}.")


class Text(fields.String):
    """A string, nothing else."""

    default_error_messages = {**_COMMON, "invalid": "Must be a string."}  # noqa: RUF012


class Line(Text):
    """A string on one line, of characters that can be printed."""

    default_error_messages = {"unprintable": "Must be one line of text, without control characters."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            raise self.make_error("unprintable")
        return text


class Number(fields.Float):
    """A JSON number. Booleans and numbers in strings are refused."""

    default_error_messages = {**_COMMON, "invalid": "Must be a number."}  # noqa: RUF012

    def _validated(self, value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.make_error("invalid")
        return float(value)


class Whole(fields.Integer):
    """A JSON number without a fraction."""

    default_error_messages = {**_COMMON, "invalid": "Must be a whole number."}  # noqa: RUF012

    def _validated(self, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Flag(fields.Boolean):
    """JSON true or false, nothing like them."""

    default_error_messages = {**_COMMON, "invalid": "Must be true or false."}  # noqa: RUF012

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class QueryWhole(Whole):
    """A whole number in a query string."""

    def _validated(self, value: Any) -> int:
        if not isinstance(value, str) or not _DIGITS.fullmatch(value):
            raise self.make_error("invalid")
        return int(value)


class QueryFlag(fields.Boolean):
    """``true`` or ``false`` in a query string."""

    default_error_messages = {**_COMMON, "invalid": "Must be true or false."}  # noqa: RUF012

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid")
        return bool(value == "true")


class Moment(fields.DateTime):
    """A time in ISO 8601, loaded as microseconds since the epoch. No zone means UTC; no time of day, midnight."""

    default_error_messages = {  # noqa: RUF012
        **_COMMON,
        "invalid": "Must be a time in ISO 8601, such as 2026-01-31T12:00:00Z (without a zone it is UTC).",
        "range": "Must be a time from 1970 to 2199.",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        match = _TIME.fullmatch(value) if isinstance(value, str) else None
        if not match:
            raise self.make_error("invalid")
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        try:
            clock = (int(hour or 0), int(minute or 0), int(second or 0))
            moment = datetime(int(year), int(month), int(day), *clock, tzinfo=timezone.utc)
        except ValueError as error:
            raise self.make_error("invalid") from error
        micros = to_micros(moment) + int((fraction or "0")[:6].ljust(6, "0")) - _zone_micros(zone)
        if not 0 <= micros < _LATEST:
            raise self.make_error("range")
        return micros


def _zone_micros(zone: str | None) -> int:
    if not zone or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes) // timedelta(microseconds=1)
    return offset if zone[0] == "+" else -offset


class Data(fields.Dict):
    """A JSON object of any content; its operation's schema judges it later, so it is passed on as it is."""

    default_error_messages = {**_COMMON, "invalid": "Must be a JSON object."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return value


class Tags(fields.Dict):
    """Tags: a flat object of strings."""

    default_error_messages = {**_COMMON, "invalid": "Must be a JSON object of strings."}  # noqa: RUF012

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=fields.String(), **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        if len(value) > MAX_TAGS:
            raise ma.ValidationError(f"A job may have at most {MAX_TAGS} tags, not {len(value)}.")
        wrong = ((key, [sentence]) for key, text in value.items() if (sentence := tag_problem(key, text)))
        problems = dict(islice(wrong, _MOST_NAMED))
        if problems:
            raise ma.ValidationError(problems)
        return value


def tag_problem(key: str, value: Any) -> str | None:
    """The error in a tag, or None."""
    if not 1 <= len(key) <= MAX_TAG_KEY or ":" in key or _CONTROL.search(key):
        return f"A tag's key must be 1 to {MAX_TAG_KEY} characters without colons and control characters."
    if not isinstance(value, str):
        return "A tag's value must be a string."
    if len(value) > MAX_TAG_VALUE or _CONTROL.search(value):
        return f"A tag's value must be at most {MAX_TAG_VALUE} characters without control characters."
    return None


class Names(fields.String):
    """Names in a query string, separated by commas; loaded as a tuple of those ``choices``, each once."""

    default_error_messages = {**_COMMON, "invalid": "Must be one of {choices}, or several separated by commas."}  # noqa: RUF012

    def __init__(self, choices: Iterable[str], *, fold: Callable[[str], str] = str, **kwargs: Any) -> None:
        """``fold`` makes spellings of one name equal, such as ``str.lower``."""
        super().__init__(**kwargs)
        self._choices = {fold(choice): choice for choice in choices}
        self._fold = fold

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        names = [self._fold(name.strip()) for name in str(value).split(",")]
        if not self._choices.keys() >= set(names):
            raise self.make_error("invalid", choices=", ".join(self._choices.values()))
        return tuple(dict.fromkeys(self._choices[name] for name in names))


class TagQuery(fields.String):
    """``key:value`` in a query string, loaded as ``(key, value)``."""

    default_error_messages = {**_COMMON, "invalid": "Must be a tag as key:value."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        key, colon, text = str(value).partition(":")
        if not colon:
            raise self.make_error("invalid")
        problem = tag_problem(key, text)
        if problem:
            raise ma.ValidationError(problem)
        return key, text


class TagText(Text):
    """A tag as ``key:value``, loaded as it is."""

    default_error_messages = {"shape": "Must be a tag as key:value."}  # noqa: RUF012

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        tag = super()._deserialize(value, attr, data, **kwargs)
        key, colon, text = tag.partition(":")
        if not colon:
            raise self.make_error("shape")
        problem = tag_problem(key, text)
        if problem:
            raise ma.ValidationError(problem)
        return tag


class Cursor(fields.String):
    """A page's ``next_cursor``, loaded as the number that the ledger knows it by."""

    default_error_messages = {  # noqa: RUF012
        **_COMMON,
        "invalid": "Invalid cursor; pass `next_cursor` of the previous page unchanged.",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        text = str(value)
        if not text.startswith("c") or not re.fullmatch("[0-9]{1,16}", text[1:]):
            raise self.make_error("invalid")
        return int(text[1:])


def show_cursor(cursor: int | None) -> str | None:
    """The text that ``Cursor`` loads."""
    return None if cursor is None else f"c{cursor}"
