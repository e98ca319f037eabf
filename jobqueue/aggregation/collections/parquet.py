"""Parquet files: the types of their columns become those that are kept, and a value that this would change is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.columns import check_names
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.values import INTEGER, TEXT, typed

if TYPE_CHECKING:
    import duckdb

_BATCH = 10_000
_WHOLE = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})


def rows(connection: duckdb.DuckDBPyConnection, file: Path, link: Path) -> str:
    """A SELECT of the file's rows with the types that they are kept as. ``link`` is where to put a link to the file.

    Raises ``ValueError`` with the row (from 1) and the field of the first value that has no equal of the kept type.
    """
    link.symlink_to(file.absolute())  # DuckDB treats *, ? and [ in a path as patterns
    path = database.literal(str(link))
    top = f"SELECT name FROM parquet_schema({path}) WHERE num_children IS NULL OR num_children >= 0"
    source = database.parquet(link)
    columns = database.schema(connection, f"SELECT * FROM {source}")
    written = [str(name) for (name,) in connection.execute(top).fetchall()]
    renamed = [name for name in columns if name not in written]  # DuckDB numbers names that differ by case alone
    if renamed:
        raise ValueError(f"the field {renamed[0]!r} has a name that differs from another one only by case; rename one")
    check_names(columns)
    for name, kind in columns.items():
        required_type = _kept_type(name, kind)
        if required_type != kind:
            _check(connection, path, name, kind, required_type)
    return database.select(database.portable_as(columns, _kept_type), source)


def _kept_type(name: str, kind: str) -> str:
    """The type that a column is kept as; a list stays one."""
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return database.kept_as(kind)
    required_type = field_type(name)
    return database.kept_as(kind) if required_type is None or required_type.endswith("]") else required_type


def _check(connection: duckdb.DuckDBPyConnection, path: str, name: str, kind: str, required_type: str) -> None:
    """Raise ``ValueError`` for the first row whose value is another one as the type ``required_type``."""
    value = database.identifier(name)
    numbered = f"SELECT file_row_number + 1 AS number, {value} FROM read_parquet({path}, file_row_number = true)"
    if kind == TEXT:
        for number, text in _batches(connection, f"{numbered} WHERE {value} IS NOT NULL ORDER BY 1"):
            try:
                typed(text, required_type)
            except ValueError as error:
                raise ValueError(f"row {number}, field {name!r}: {error}") from error
        return
    back = f"try_cast(try_cast({value} AS {required_type}) AS {kind})"
    row = connection.execute(
        f"SELECT number, CAST({value} AS VARCHAR) FROM ({numbered}) WHERE {value} IS NOT NULL AND "
        f"{back} IS DISTINCT FROM {value} ORDER BY 1 LIMIT 1"
    ).fetchone()
    if row is not None:
        expected = (
            "a whole number" if required_type == INTEGER and kind not in _WHOLE else f"kept by the type {required_type}"
        )
        raise ValueError(f"row {row[0]}, field {name!r}: {row[1]!r} is not {expected}")


def _batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[int, str]]:
    misfits = connection.cursor().execute(query)
    while batch := misfits.fetchmany(_BATCH):
        yield from batch
