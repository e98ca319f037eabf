"""Rows of several files as one table: columns are matched by name, and no value changes for another file's type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.columns import check_names

if TYPE_CHECKING:
    import duckdb

_NUMBERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"})


def union(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> str:
    """A SELECT of the rows of all files. Raises ``ValueError`` if a column has types that no common one keeps.

    A column without any value in a file takes the type that it has in the others.
    """
    schemas = [database.schema(connection, f"SELECT * FROM {database.parquet(part)}") for part in parts]
    columns: dict[str, tuple[str, dict[int, str]]] = {}
    for number, schema in enumerate(schemas):
        for name, kind in schema.items():
            first, kinds = columns.setdefault(name.lower(), (name, {}))
            check_names(sorted({first, name}))
            kinds[number] = kind
    left_out: dict[int, list[str]] = {}
    for name, kinds in columns.values():
        if len({*kinds.values()}) > 1:
            empty = [number for number in kinds if _is_empty(connection, parts[number], name)]
            used = {number: kind for number, kind in kinds.items() if number not in empty}
            _check(connection, parts, name, used)
            for number in empty if used else empty[1:]:
                left_out.setdefault(number, []).append(name)
    return database.union(
        _rows(part, schema, left_out.get(number, ()))
        for number, (part, schema) in enumerate(zip(parts, schemas, strict=True))
    )


def _rows(part: Path, schema: dict[str, str], left_out: Sequence[str]) -> str:
    columns = [database.identifier(name) for name in schema if name not in left_out]
    # a part keeps its number of rows though each column is left out
    return database.select(columns or [f"NULL AS {database.identifier(left_out[0])}"], database.parquet(part))


def _is_empty(connection: duckdb.DuckDBPyConnection, part: Path, name: str) -> bool:
    value = database.identifier(name)
    query = f"{database.select([value], database.parquet(part), f'{value} IS NOT NULL')} LIMIT 1"
    return connection.execute(query).fetchone() is None


def _check(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], name: str, kinds: dict[int, str]) -> None:
    """Raise ``ValueError`` if the common type of a column would change a value of one of the files."""
    types = sorted({*kinds.values()})
    for other_type in types[1:]:
        if not _fit(types[0], other_type):
            raise ValueError(f"the field {name!r} is of type {types[0]} in one and of type {other_type} in another")
    if len(types) < 2:
        return
    value = database.identifier(name)
    columns = {number: database.select([value], database.parquet(parts[number])) for number in kinds}
    (common,) = database.schema(connection, database.union(columns.values())).values()
    for number, kind in kinds.items():
        back = f"try_cast(try_cast({value} AS {common}) AS {kind})"
        changed = (
            f"SELECT CAST({value} AS VARCHAR) FROM ({columns[number]}) WHERE {back} IS DISTINCT FROM {value} LIMIT 1"
        )
        row = None if kind == common else connection.execute(changed).fetchone()
        if row is not None:
            raise ValueError(
                f"the field {name!r} is of type {' and '.join(types)} in different files, and the common type {common} "
                f"does not keep {row[0]!r}"
            )


def _fit(one: str, other: str) -> bool:
    """Whether two types have a common one that is neither guessed nor a text in another form than a file's."""
    if _shape(one) != _shape(other):
        return False
    pair = {_group(one), _group(other)}
    return (
        _shape(one) != "single value"
        or len(pair) == 1
        or pair == {"DATE", "time"}
        or ("text" in pair and "time" not in pair)
    )


def _shape(kind: str) -> str:
    """What no other shape can be changed into without becoming its text."""
    if kind.endswith("]"):
        return "list"
    return "object" if kind.startswith(("STRUCT", "MAP")) else "single value"


def _group(kind: str) -> str:
    if kind.startswith("DECIMAL") or kind in _NUMBERS:
        return "number"
    return "time" if kind == "TIMESTAMP WITH TIME ZONE" else "text" if kind == "VARCHAR" else kind
