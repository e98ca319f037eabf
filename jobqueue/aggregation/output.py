"""A run's rows, and the output collection that receives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.config import AggregationConfig

if TYPE_CHECKING:
    import duckdb

_TYPE = "aggr_type_s"
_OWNER = "aggr_id_s"
_FRESH = '"is fresh"'  # no column of Spark's has a blank in its name
_RANDOM = "CAST(uuid() AS VARCHAR)"
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "HUGEINT")


class Output:
    """An output collection as it was, and the rows that this run makes for it.

    Several configurations may share a collection: every row names its own (``aggr_id_s``), and a roll-up takes in
    the rows of its own configuration and those without one.
    """

    def __init__(
        self,
        config: AggregationConfig,
        aggr_type: str,
        existing: Path | None,
        connection: duckdb.DuckDBPyConnection,
    ) -> None:
        self._config = config
        self._aggr_type = aggr_type
        self._connection = connection
        self._existing = None if existing is None else _all_of([existing])
        self._columns = set() if self._existing is None else _names(connection, self._existing)

    def combined(self, new: Sequence[Path], path: Path) -> None:
        """Write the input of a roll-up: the existing rows of this configuration, and the ``new`` ones."""
        self._write([*self._old(mine=True), self._stamped(new)], path)

    def merged(self, new: Sequence[Path], path: Path) -> None:
        """Write what becomes of the ``new`` rows without a roll-up of the user's.

        To catch up, a row is added to the one with its id: numbers are summed up, all else is the new row's.
        Otherwise it takes its place.
        """
        rows = self._stamped(new)
        if not (self._config.source_catchup and self._config.use_natural_key):
            self._write([rows], path)
            return
        # rows of one run with the same id are summed as well: the result must not depend on how signals fell into runs
        old = self._old(mine=True) if "id" in self._columns else []
        fresh = f"SELECT *, 1 AS {_FRESH} FROM ({rows})"
        stale = [f"SELECT *, 0 AS {_FRESH} FROM ({query}) WHERE id IN (SELECT id FROM ({rows}))" for query in old]
        both = database.union([*stale, fresh])
        columns = database.schema(self._connection, both)
        parts = [_sum_or_latest(name, kind) for name, kind in columns.items() if database.identifier(name) != _FRESH]
        database.write(
            self._connection,
            f"{database.select(parts, f'({both})')} GROUP BY id",
            path,
        )

    def rolled_up(self, rows: Sequence[Path], path: Path) -> None:
        """Write the result of the roll-up."""
        self._write([self._stamped(rows)], path)

    def count(self, rows: Path) -> int:
        """The number of ``rows``."""
        row = self._connection.execute(database.select(["count(*)"], database.parquet(rows))).fetchone()
        return int(row[0]) if row else 0

    def write(self, rows: Path, path: Path, *, replaces_mine: bool) -> int:
        """Write the whole collection with ``rows`` in it; gives the number of all rows.

        ``replaces_mine``: they take the place of all rows of this configuration; otherwise of those with their ids.
        """
        remaining = self._old(mine=False) if replaces_mine else [self._existing] if self._existing else []
        new = _all_of([rows])
        if self._config.use_natural_key and "id" in self._columns:
            remaining = [f"SELECT * FROM ({query}) WHERE id IS NULL OR id NOT IN ({_ids(new)})" for query in remaining]
        return self._write([*remaining, new], path)

    def _old(self, *, mine: bool) -> list[str]:
        """The existing rows: of this configuration or without one, or those of the other configurations."""
        if self._existing is None:
            return []
        if _OWNER not in self._columns:
            return [self._existing] if mine else []
        owner = database.literal(self._config.id or "")
        own = f"({_OWNER} IS NULL OR {_OWNER} = {owner})"
        return [f"{self._existing} WHERE {own if mine else f'NOT {own}'}"]

    def _stamped(self, files: Sequence[Path]) -> str:
        """The rows with an id, and with what they are and whose."""
        source = _all_of(files)
        columns = database.schema(self._connection, source)
        selected = {name.lower() for name in columns}
        parts = [database.identifier(name) for name in columns if name.lower() not in ("id", _TYPE, _OWNER)]
        if self._config.use_natural_key and "id" in selected:
            parts.insert(0, f"coalesce(CAST(id AS VARCHAR), {_RANDOM}) AS id")
        else:
            parts.insert(0, f"{_RANDOM} AS id")
        stamp = f"coalesce({_TYPE}, {database.literal(self._aggr_type)})"
        parts.append(f"{stamp if _TYPE in selected else database.literal(self._aggr_type)} AS {_TYPE}")
        owner = database.literal(self._config.id) if self._config.id else "CAST(NULL AS VARCHAR)"
        parts.append(f"{owner} AS {_OWNER}")
        return database.select(parts, f"({source})")

    def _write(self, queries: Sequence[str], path: Path) -> int:
        query = database.union(queries)
        columns = database.portable(database.schema(self._connection, query))
        return database.write(self._connection, database.select(columns, f"({query})"), path)


def _sum_or_latest(name: str, kind: str) -> str:
    column = database.identifier(name)
    if name.lower() == "id":
        return column
    if kind.startswith(_NUMBERS) and not kind.endswith("]"):
        return f"sum({column})::{database.kept_as(kind)} AS {column}"
    return f"arg_max({column}, {_FRESH}) AS {column}"


def _names(connection: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    return {name.lower() for name in database.schema(connection, query)}


def _all_of(files: Sequence[Path]) -> str:
    return database.select(["*"], database.parquet(*files))


def _ids(rows: str) -> str:
    return f"SELECT id FROM ({rows}) WHERE id IS NOT NULL"
