"""The queries of one run, in their order, written for DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Protocol

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.spark_sql.scope import Column
from jobqueue.aggregation.spark_sql.types import from_duckdb
from jobqueue.errors import InvalidInput, OperationFailed

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

Tables = Mapping[str, Sequence[Column]]


class Translatable(Protocol):
    """A query that can be written for DuckDB."""

    def for_duckdb(self, tables: Tables) -> tuple[str, Sequence[Column]]:
        """DuckDB's SQL and the columns of the result."""
        ...


@dataclass(frozen=True)
class Program:
    """``views``: name -> SELECT, in the order in which they are defined; ``query``: the SELECT over them."""

    views: Mapping[str, str]
    query: str


@cache
def macros() -> str:
    """The definitions that every translated query may use."""
    return (package_files("jobqueue.aggregation.spark_sql") / "macros.sql").read_text(encoding="utf-8")


def translate(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Path],
    views: Sequence[tuple[str, Translatable]],
    query: Translatable,
) -> Program:
    """Write ``views`` and ``query`` over the Parquet ``files``; raises ``OperationFailed`` for what is not proved."""
    written: dict[str, str] = {}
    tables: dict[str, Sequence[Column]] = {}
    for name, path in files.items():
        rows = database.parquet(path)
        columns = database.schema(connection, database.select(["*"], rows))
        written[name] = database.select([_in_utc(column, kind) for column, kind in columns.items()], rows)
        tables[name.lower()] = [Column(column, from_duckdb(kind)) for column, kind in columns.items()]
    try:
        for name, view in views:
            written[name], tables[name.lower()] = view.for_duckdb(tables)
        return Program(written, query.for_duckdb(tables)[0])
    except InvalidInput as error:
        raise OperationFailed(f"The sql was refused: {error.message}") from error


def _in_utc(column: str, kind: str) -> str:
    """A column whose moments are TIMESTAMPs in UTC, as translated queries have them."""
    plain = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")
    return database.identifier(column) if plain == kind else database.cast(column, plain)
