"""Limits of JSON bodies on all routes. Every refusal names the place."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.json_depth import is_deeper

#: Objects and lists inside each other, the body itself included.
MAX_DEPTH = 64
#: Values in one document by default: building one takes 0.5 to 2 us, so that a body costs a tenth of a second at most.
MAX_VALUES = 50_000
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

#: Places and texts are quoted in messages up to this length.
_SHOWN = 80
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
#: Escapes that may be a NUL or a surrogate.
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
#: Digits of the shortest integer beyond 64 bits.
_MANY_DIGITS = re.compile("[0-9]{19}")


class _Unfit:
    """A placeholder for a refused number, so that the walk can name its place."""

    def __init__(self, text: str) -> None:
        self.text = text


class _UnfitNumber(Exception):
    """Makes the caller of the fast decoder decode again with positions."""


def check_size(body: bytes, subject: str = "The body", most: int = MAX_VALUES) -> None:
    """Raise ``InvalidInput`` if the JSON in ``body`` has more than ``most`` values; nothing is built to find out.

    A value is a member of an object, an element of a list, or the document itself; an empty object or list counts as
    two. Only separators outside of texts count, so a long script is one value.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") < most:
        return  # even if all of them were outside of texts
    # an escaped quotation mark ends no text: without the escapes each one that is left begins or ends one
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # each text is a value or the name of one; looked at first, as a list of all the pieces may be large
    if plain.count(b'"') <= 4 * most:
        outside = b"".join(plain.split(b'"')[::2])
        if outside.count(b",") + outside.count(b"[") + outside.count(b"{") < most:
            return
    raise InvalidInput(
        f"{subject} holds more than {most} values; send less at once, put many values into one string or a file, or "
        "raise JOBQUEUE_MAX_BODY_VALUES."
    )


def decode(body: bytes, subject: str = "The body", most: int = MAX_VALUES) -> tuple[Any, bool]:
    """Parse ``body`` as JSON: ``(value, suspect)``. A suspect value must pass ``check`` before it is used.

    ``subject`` is what messages call it, ``most`` the number of values that it may hold (``check_size``).

    Raises ``InvalidInput`` for invalid JSON or UTF-8, too many values, excessive nesting, or duplicate keys
    in one object (parsers differ in which of the two they take, so it is refused rather than guessed).

    Only a body with certain escapes can hold a NUL or a lone surrogate, and the decoder itself sees the large numbers.
    So the texts of an ordinary body are never walked.
    """
    check_size(body, subject, most)
    try:
        text = body.removeprefix(BOM_UTF8).decode()  # "utf-8-sig" is a codec in Python
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{subject} is not UTF-8: byte {error.start} is invalid.") from error
    suspect = _ESCAPED.search(text) is not None
    try:
        try:
            value = (_FAST if _MANY_DIGITS.search(text) else _FASTEST).decode(text)
            return value, suspect or (text.count("[") + text.count("{") > MAX_DEPTH and is_deeper(value, MAX_DEPTH))
        except _UnfitNumber:
            return _MARKING.decode(text), True
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{subject} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except RecursionError as error:
        raise _too_deep("") from error


def check(value: Any, name: str = "") -> None:
    """Raise ``InvalidInput`` that names the place if ``value`` breaks a limit. ``name`` is what ``value`` is called."""
    problem = _problem(value, 1)
    if problem is None:
        return
    parts, sentence = problem
    path = name
    for part in reversed(parts):
        path = inside(path, part)
    if sentence == _TOO_DEEP:  # the whole way down would be longer than the message is worth
        raise _too_deep(path)
    raise InvalidInput(f"{path or 'The body'}: {sentence}", {path or "body": [sentence]})


def _problem(value: Any, depth: int) -> tuple[list[str | int], str] | None:
    """The first breach below ``value`` as (way to it, innermost step first, sentence). Recursion ends at the limit."""
    if isinstance(value, str):
        return _text_problem(value)
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            return [], _TOO_DEEP
        for key, item in value.items():
            problem = _text_problem(key) or (None if item is None else _problem(item, depth + 1))
            if problem:
                problem[0].append(key)
                return problem
    elif isinstance(value, list):
        if depth > MAX_DEPTH:
            return [], _TOO_DEEP
        for index, item in enumerate(value):
            problem = _problem(item, depth + 1)
            if problem:
                problem[0].append(index)
                return problem
    elif isinstance(value, _Unfit):
        return [], f"The number {value.text} is out of range; use 64-bit integers and finite numbers."
    return None


def _text_problem(text: str) -> tuple[list[str | int], str] | None:
    match = _NOT_TEXT.search(text)
    if not match:
        return None
    half = "half of a surrogate pair"
    # as Python reads a byte of a command line that is not UTF-8
    half += ", in place of a byte that is not UTF-8" if "\udc80" <= match[0] <= "\udcff" else ""
    character = "a NUL character" if match[0] == "\x00" else half
    return [], f"The text contains {character} (at character {match.start()}), which is not allowed; remove it."


def inside(path: str, part: str | int) -> str:
    """``path`` with one step added: ``a.b``, ``a[0]``; ``a["b c"]``, cut and escaped, for other keys."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    if _PLAIN_KEY.fullmatch(part):
        return f"{path}.{part}" if path else part
    return f"{path}[{json.dumps(part[:_SHOWN])}]"


_TOO_DEEP = f"Nested deeper than {MAX_DEPTH} levels; flatten it."


def _too_deep(path: str) -> InvalidInput:
    where = path[:_SHOWN] + "..." if len(path) > _SHOWN else path
    return InvalidInput(f"{where or 'The body'}: {_TOO_DEEP}", {where or "body": [_TOO_DEEP]})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        sentence = "Duplicate key; give it once."
        raise InvalidInput.of(inside("", twice), sentence)
    return members


def _integer(text: str, refuse: Callable[[str], Any]) -> Any:
    # the length first: int() of a very long text is slow, and Python refuses it with an error of its own
    if len(text) > 20:
        return refuse(text)
    number = int(text)
    return number if MIN_INTEGER <= number <= MAX_INTEGER else refuse(text)


def _real(text: str, refuse: Callable[[str], Any]) -> Any:
    number = float(text)
    return refuse(text) if number in (float("inf"), float("-inf")) else number


def _decoder(refuse: Callable[[str], Any], parse_int: Callable[[str], Any] | None = None) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=parse_int or (lambda text: _integer(text, refuse)),
        parse_float=lambda text: _real(text, refuse),
        parse_constant=refuse,
    )


def _raise(text: str) -> Any:
    raise _UnfitNumber(text)


def _mark(text: str) -> Any:
    return _Unfit(text if len(text) <= 24 else f"{text[:20]}... ({len(text)} digits)")


_FAST = _decoder(_raise)
#: For texts whose integers all fit into 64 bits.
_FASTEST = _decoder(_raise, int)
_MARKING = _decoder(_mark)
