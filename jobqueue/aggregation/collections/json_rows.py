"""JSON files: one object per line, an array of objects, or a Solr query response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from jobqueue.aggregation.collections import solr
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.shape import Shape
from jobqueue.aggregation.collections.values import Number, shown, text, typed

_BLANK = " \t\r\n"
_MOST_DIGITS = 1000


def rewrite(source: IO[str], target: Path, on_note: Callable[[str], None]) -> dict[str, str]:
    """Write the objects to ``target``, one per line in UTF-8; returns field -> type.

    The type is the one in the field's name, else one that keeps its values. Values of typed fields are checked and
    converted. An untyped field with both texts and numbers becomes a text field. Raises ``ValueError`` with the row and
    the field of the first invalid value: a list beside single values, names that differ by case alone, a duplicate name
    in an object. ``on_note`` is called with a sentence if the file holds only a part of what a Solr query found.
    """
    shape = Shape()
    typed_fields: dict[str, str] = {}
    responses = solr.Responses()
    draft = target.with_name(f"{target.name}.draft")
    with draft.open("wb") as file:
        for number, row in enumerate(responses.rows(_values(source.read())), start=1):
            _check_row(row, number)
            shape.note_names(row, number)
            checked = {name: _checked(name, value, number, shape, typed_fields) for name, value in row.items()}
            file.write(_encoded(checked, number))
    if not shape.fields:
        raise ValueError("it has no rows with fields")
    texts = {name for name, inner in shape.fields.items() if name not in typed_fields and inner.needs_texts()}
    types = {name: typed_fields.get(name) or inner.type(name) for name, inner in shape.fields.items()}
    with draft.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(_as_texts(line, texts) if texts else line)
    draft.unlink()
    for note in responses.notes():
        on_note(note)
    return types


def _values(content: str) -> Iterator[tuple[int, Any]]:
    """The values with their numbers, one at a time: those of an array, or those that follow each other."""
    decoder = json.JSONDecoder(
        parse_float=Number, parse_int=_integer, parse_constant=_refuse_constant, object_pairs_hook=_object
    )
    at, number = _skip(content, 0), 0
    if content[at : at + 1] == "[":
        yield from _array(content, at, decoder)
        return
    while at < len(content):
        number += 1
        value, at = _decode(decoder, content, at, number)
        yield number, value
        at = _skip(content, at)


def _array(content: str, at: int, decoder: json.JSONDecoder) -> Iterator[tuple[int, Any]]:
    at, number = _skip(content, at + 1), 0
    is_first = True
    while content[at : at + 1] != "]":
        number += 1
        if not is_first:
            if content[at : at + 1] != ",":
                raise ValueError(f"row {number}: a comma or the end of the array is missing")
            at = _skip(content, at + 1)
        is_first = False
        value, at = _decode(decoder, content, at, number)
        at = _skip(content, at)
        yield number, value
    if _skip(content, at + 1) != len(content):
        raise ValueError("unexpected data after the end of the array")


def _decode(decoder: json.JSONDecoder, content: str, at: int, number: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(content, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"row {number} is not JSON: {error.msg} (line {error.lineno})") from error
    except ValueError as error:
        raise ValueError(f"row {number}, {error}") from error
    except RecursionError as error:
        raise ValueError(f"row {number} is nested too deeply") from error


def _check_row(value: Any, number: int) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"row {number} is {shown(value)}, not an object")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"{digits[:40]}... is a number of {len(digits)} digits; at most {_MOST_DIGITS} are possible")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(name for name in names if names.count(name) > 1)!r}: duplicate name")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _checked(name: str, value: Any, number: int, shape: Shape, typed_fields: dict[str, str]) -> Any:
    kind = field_type(name)
    if kind is not None:
        typed_fields[name] = kind
        try:
            return typed(value, kind)
        except ValueError as error:
            raise ValueError(f"row {number}, field {name!r}: {error}") from error
    shape.fields[name].note(value, number, name)
    return value


def _as_texts(line: str, names: set[str]) -> str:
    row = json.loads(line, parse_float=Number)
    for name in names & row.keys():
        value = row[name]
        if isinstance(value, list):
            row[name] = [None if item is None else text(item) for item in value]
        elif value is not None:
            row[name] = text(value)
    return _dumped(row)


def _encoded(row: Mapping[str, Any], number: int) -> bytes:
    try:
        return _dumped(row).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise ValueError(f"row {number} has {half}, half of a surrogate pair, which is not a character") from error


def _dumped(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _skip(content: str, at: int) -> int:
    while at < len(content) and content[at] in _BLANK:
        at += 1
    return at
