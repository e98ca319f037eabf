"""The rows that a run reads: those of the input collection in its window of time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.config import AggregationConfig
from jobqueue.aggregation.query import Query, trusted
from jobqueue.errors import OperationFailed

if TYPE_CHECKING:
    import duckdb

_BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SPARK_TYPES = {"VARCHAR": "STRING", "VARCHAR[]": "ARRAY<STRING>", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}


class Source:
    """The input collection of one run, up to its reference time and, to catch up, since the last run."""

    def __init__(
        self, config: AggregationConfig, file: Path, ref_time: datetime, connection: duckdb.DuckDBPyConnection
    ) -> None:
        """Raises ``OperationFailed`` if the time column is missing."""
        self._file = file
        self._connection = connection
        self._ref_time = ref_time
        self._since = config.last_run if config.source_catchup else None
        self._condition = self._window(config)
        self.described = self._in_words() if self._condition else "in all"

    def view(self, table: str, columns: Collection[str]) -> Query:
        """The rows, with ``ref_time`` and ``catchup_timestamp_tdt``, from the engine's ``table`` of the file."""
        times = {
            "ref_time": _spark_time(self._ref_time),
            "catchup_timestamp_tdt": _spark_time(self._since or _BEGINNING),
        }
        return view_of(self._connection, self._file, table, columns, times, self._condition)

    def view_of_output(self, file: Path, table: str, columns: Collection[str]) -> Query:
        """The rows of an output collection, with ``ref_time``."""
        return view_of(self._connection, file, table, columns, {"ref_time": _spark_time(self._ref_time)})

    def count(self) -> int:
        """How many rows there are."""
        query = database.select(["count(*)"], database.parquet(self._file), self._in_duckdb())
        row = self._connection.execute(query).fetchone()
        return int(row[0]) if row else 0

    def write_rest(self, path: Path) -> int:
        """Write the collection without these rows; gives the number of rows."""
        rest = f"({self._in_duckdb()}) IS NOT TRUE" if self._condition else "false"
        return database.write(self._connection, database.select(["*"], database.parquet(self._file), rest), path)

    def _window(self, config: AggregationConfig) -> str:
        """The condition in Spark's SQL; "" when every row counts."""
        columns = database.schema(self._connection, database.select(["*"], database.parquet(self._file)))
        name = next((name for name in columns if name.lower() == config.time_field.lower()), None)
        if name is None:
            if not config.source_catchup:
                return ""
            raise OperationFailed(
                f"{config.input_collection} has no column {config.time_field}, which sourceCatchup needs; name the one "
                "with the time in timestampFieldName, or set sourceCatchup to false."
            )
        moment = f"CAST({_spark_name(name)} AS TIMESTAMP)"
        until = f"{moment} <= {_spark_time(self._ref_time)}"
        return until if self._since is None else f"{moment} > {_spark_time(self._since)} AND {until}"

    def _in_duckdb(self) -> str:
        where = trusted(f"SELECT 1 WHERE {self._condition}").tree.args["where"] if self._condition else None
        return str(where.this.sql("duckdb")) if where is not None else ""

    def _in_words(self) -> str:
        until = f"until {self._ref_time:%Y-%m-%d %H:%M:%S} UTC"
        return until if self._since is None else f"after {self._since:%Y-%m-%d %H:%M:%S} and {until}"


def view_of(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    table: str,
    used_columns: Collection[str],
    added: dict[str, str] | None = None,
    condition: str = "",
) -> Query:
    """The rows of a Parquet file, which is the engine's ``table``, with the ``added`` columns (name -> Spark's SQL).

    Missing columns among ``used_columns`` whose names have a type suffix (``count_i``) are added as nulls: a Solr field
    exists even if no document has it.
    """
    added = added or {}
    columns = database.schema(connection, database.select(["*"], database.parquet(file)))
    known = {name.lower() for name in (*columns, *added)}
    missing = {name: kind for name in sorted(used_columns) if name.lower() not in known and (kind := field_type(name))}
    parts = [
        *(_spark_name(name) for name in columns if name.lower() not in added),
        *(f"{value} AS {_spark_name(name)}" for name, value in added.items()),
        *(f"CAST(NULL AS {_SPARK_TYPES.get(kind, kind)}) AS {_spark_name(name)}" for name, kind in missing.items()),
    ]
    return trusted(database.select(parts, _spark_name(table), condition))


def _spark_name(name: str) -> str:
    """``name`` as Spark writes a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def _spark_time(moment: datetime) -> str:
    return f"CAST('{moment.replace(tzinfo=None).isoformat(sep=' ', timespec='microseconds')}Z' AS TIMESTAMP)"
