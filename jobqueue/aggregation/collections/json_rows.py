"""JSON files: one object per line, an array of objects, or a Solr query response."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.values import Number, shown, text, typed

_BLANK = " \t\r\n"
_LEAST, _MOST = -(2**63), 2**63 - 1
_EXACT = 2**53
_NUMBERS = frozenset({"number", "exact", "fraction"})
_SINGLE = _NUMBERS | {"text", "large", "flag"}


@dataclass
class _Column:
    """What was seen of a field: kind of value -> the first row with it, for its values and for those in its lists."""

    values: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)


def rewrite(source: IO[str], target: Path) -> dict[str, str | None]:
    """Write the objects to ``target``, one per line in UTF-8; returns field -> the type in its name, or None.

    Values of typed fields are checked and converted. An untyped field with both texts and numbers becomes a text field.
    Raises ``ValueError`` with the row and the field of the first invalid value: a list beside single values, names that
    differ by case alone, a duplicate name in an object.
    """
    columns: dict[str, _Column] = {}
    names: dict[str, tuple[str, int]] = {}
    draft = target.with_name(f"{target.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        for number, row in enumerate(_rows(source.read()), start=1):
            _check_names(row, number, names)
            file.write(_dumped({name: _checked(name, value, number, columns) for name, value in row.items()}))
    if not names:
        raise ValueError("it has no rows with fields")
    texts = _texts(columns, {name for name, _ in names.values()})
    with draft.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(_as_texts(line, texts) if texts else line)
    draft.unlink()
    return {name: field_type(name) for name, _ in names.values()}


def _rows(content: str) -> Iterator[Mapping[str, Any]]:
    """The objects, one at a time."""
    decoder = json.JSONDecoder(parse_float=Number, parse_constant=_refuse_constant, object_pairs_hook=_object)
    at, number = _skip(content, 0), 0
    if content[at : at + 1] == "[":
        yield from _array(content, at, decoder)
        return
    while at < len(content):
        number += 1
        value, at = _decode(decoder, content, at, number)
        at = _skip(content, at)
        docs = _solr_docs(value) if number == 1 and at == len(content) else None
        if docs is not None:
            yield from (_row(doc, place) for place, doc in enumerate(docs, start=1))
        else:
            yield _row(value, number)


def _array(content: str, at: int, decoder: json.JSONDecoder) -> Iterator[Mapping[str, Any]]:
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
        yield _row(value, number)
    if _skip(content, at + 1) != len(content):
        raise ValueError("unexpected data after the end of the array")


def _solr_docs(value: Any) -> list[Any] | None:
    """The documents of a Solr query response; None if it is not one."""
    if not isinstance(value, Mapping):
        return None
    response = value.get("response")
    if isinstance(response, Mapping) and isinstance(response.get("docs"), list):
        return list(response["docs"])
    if "responseHeader" in value:
        raise ValueError("it is a Solr response without response.docs; query for documents (wt=json, no grouping)")
    return None


def _decode(decoder: json.JSONDecoder, content: str, at: int, number: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(content, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"row {number} is not JSON: {error.msg} (line {error.lineno})") from error
    except ValueError as error:
        raise ValueError(f"row {number}, {error}") from error
    except RecursionError as error:
        raise ValueError(f"row {number} is nested too deeply") from error


def _row(value: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"row {number} is {shown(value)}, not an object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(name for name in names if names.count(name) > 1)!r}: duplicate name")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_names(row: Mapping[str, Any], number: int, names: dict[str, tuple[str, int]]) -> None:
    for name in row:
        if not name.strip():
            raise ValueError(f"row {number}: a field has no name")
        other, first = names.setdefault(name.lower(), (name, number))
        if other != name:
            raise ValueError(
                f"row {number}: the field {name!r} differs from {other!r} (row {first}) only by case, which SQL does "
                "not see; rename one"
            )


def _checked(name: str, value: Any, number: int, columns: dict[str, _Column]) -> Any:
    kind = field_type(name)
    try:
        if kind is not None:
            return typed(value, kind)
    except ValueError as error:
        raise ValueError(f"row {number}, field {name!r}: {error}") from error
    _note(name, value, number, columns)
    return value


def _note(path: str, value: Any, number: int, columns: dict[str, _Column]) -> None:
    """Record the kind of a value and of its inner values; raises ``ValueError`` if no column could hold both."""
    kind = _kind(value)
    if kind is None:
        return
    column = columns.setdefault(path, _Column())
    _add(column.values, kind, path, value, number)
    if isinstance(value, dict):
        for name, inner in value.items():
            _note(f"{path}.{name}", inner, number, columns)
    elif isinstance(value, list):
        for item in value:
            kind_of_item = _kind(item)
            if kind_of_item is not None:
                _add(column.items, kind_of_item, path, item, number)
            if isinstance(item, (dict, list)):
                _note(f"{path}[]", item, number, columns)


def _add(kinds: dict[str, int], kind: str, path: str, value: Any, number: int) -> None:
    kinds.setdefault(kind, number)
    for other, row in kinds.items():
        if _group(other) != _group(kind):
            raise ValueError(
                f"row {number}, field {path!r}: {shown(value)} is {_group(kind)}, and row {row} has {_group(other)} "
                "there"
            )


def _group(kind: str) -> str:
    return "a single value" if kind in _SINGLE else f"{'an' if kind == 'object' else 'a'} {kind}"


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            return "large"
        return "number" if abs(value) <= _EXACT else "exact"
    if isinstance(value, Number):
        return "fraction"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


def _texts(columns: Mapping[str, _Column], names: set[str]) -> set[str]:
    """The fields whose values only texts can hold as they are. Raises ``ValueError`` for such a one inside another."""
    paths = {path for path, column in columns.items() if _needs_text(column.values) or _needs_text(column.items)}
    for path in paths:
        if path not in names:
            column = columns[path]
            rows = sorted({*column.values.values(), *column.items.values()})
            raise ValueError(
                f"row {rows[-1]}, field {path!r}: it has values of several types (rows {rows}); use one type"
            )
    return paths


def _needs_text(kinds: Mapping[str, int]) -> bool:
    """Whether values of these kinds fit into one column only as texts: a DOUBLE would round what is beyond 2^53."""
    single = kinds.keys() & _SINGLE
    return (
        "large" in single
        or single >= {"exact", "fraction"}
        or len({"number" if kind in _NUMBERS else kind for kind in single}) > 1
    )


def _as_texts(line: str, names: set[str]) -> str:
    row = json.loads(line, parse_float=Number)
    for name in names & row.keys():
        value = row[name]
        if isinstance(value, list):
            row[name] = [None if item is None else text(item) for item in value]
        elif value is not None:
            row[name] = text(value)
    return _dumped(row)


def _dumped(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _skip(content: str, at: int) -> int:
    while at < len(content) and content[at] in _BLANK:
        at += 1
    return at
