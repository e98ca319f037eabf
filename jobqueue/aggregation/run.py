"""One run of an aggregation, from its configuration to the rows in the output collection."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.collections.collections import Collections, Transaction
from jobqueue.aggregation.collections.name import SPARK_INPUT, table_key, table_name
from jobqueue.aggregation.config import AggregationConfig
from jobqueue.aggregation.duckdb_engine import DuckDBEngine
from jobqueue.aggregation.engine import Engine, View
from jobqueue.aggregation.engine_error import explained
from jobqueue.aggregation.output import Output
from jobqueue.aggregation.parameters import resolve
from jobqueue.aggregation.query import Query, prepare
from jobqueue.aggregation.source import Source, view_of
from jobqueue.aggregation.spark_engine import SparkEngine
from jobqueue.errors import OperationFailed, OperationNotNeeded

_WEIGHTS = "signalTypeWeights"
#: Characters of the SQL in the result, which must fit into the ledger.
_LONGEST_SHOWN = 65_536


@dataclass(frozen=True)
class Surroundings:
    """Where a run takes place. ``log`` takes a line of the job's output; ``finishing`` is called before it writes."""

    collections: Collections
    hostname: str
    log: Callable[[str], None]
    finishing: Callable[[], None]


def run_aggregation(config: AggregationConfig, around: Surroundings) -> dict[str, Any]:
    """Run it; gives the fields of ``result``.

    A run whose ``run_id`` has written its rows before writes nothing and gives the same result again. Raises
    ``InvalidInput`` for a configuration that cannot work, ``NotFound`` for a collection that is not there,
    ``OperationFailed`` with the engine's message, and ``OperationNotNeeded`` when there is nothing new and the
    configuration says that such a run is to be skipped.
    """
    return _Run(config, around).run()


class _Run:
    def __init__(self, config: AggregationConfig, around: Surroundings) -> None:
        self._config = config
        self._around = around
        self._engine: Engine = SparkEngine(config.spark_config) if config.engine == "spark" else DuckDBEngine()
        self._ref_time = config.reference_time or datetime.now(timezone.utc)
        self._values = resolve(config.parameters)
        self._own = [name for name in (config.input_collection, config.output_collection) if name is not None]
        # a new collection is not in the folder yet, but its name means it
        self._known = {table_key(name): name for name in (*around.collections.names(), *self._own)}
        self._sql = self._prepare(config.sql, "sql")
        self._rollup = self._prepare(config.rollup_sql, "rollupSql") if self._rolls_up else None
        self._spark_sql = prepare(config.spark_sql, self._values, [SPARK_INPUT], [], "sparkSQL")

    def run(self) -> dict[str, Any]:
        config = self._config
        writes = {config.output_collection} if config.output_collection else set()
        if config.source_remove:
            writes.add(config.input_collection)
        tables = self._sql.tables | (self._rollup.tables if self._rollup else frozenset())
        reads = {*self._own, *(self._known[key] for key in tables)}
        with self._around.collections.transaction(reads, writes, self._waits) as transaction:
            key = self._key()
            before: dict[str, Any] | None = transaction.record(key) if key else None
            if before is not None:
                self._around.log("This run has already written its rows; nothing to do.")
                return before
            try:
                result = self._aggregate(transaction)
            except (duckdb.Error, ValueError) as error:
                raise OperationFailed(f"The aggregation failed: {explained(error)}") from error
            transaction.commit(key, result)
        return result

    def _aggregate(self, transaction: Transaction) -> dict[str, Any]:
        config, log = self._config, self._around.log
        if config.unused:
            log(f"Ignored settings: {', '.join(config.unused)}.")
        with database.connect(transaction.scratch) as connection:
            source = Source(config, transaction.snapshot(config.input_collection), self._ref_time, connection)
            count = source.count()
            log(f"{config.input_collection}: {count} rows {source.described}.")
            if count == 0:
                self._skip_if_configured(source.described)
            rows = self._rows(transaction, source, connection)
            self._around.finishing()
            aggregated = self._write(transaction, rows, connection)
            if config.source_remove:
                remaining = source.write_rest(transaction.draft(config.input_collection))
                log(f"{config.input_collection}: {count} rows removed, {remaining} left.")
        return self._result(aggregated)

    def _rows(self, transaction: Transaction, source: Source, connection: duckdb.DuckDBPyConnection) -> Path:
        """Run the SQL, and merge its rows with those that were aggregated before; gives a Parquet file."""
        output = self._output(transaction, connection)
        self._around.log(f"Running the sql on {self._engine.name}.")
        new = self._select(self._sql, transaction, source, connection, {})
        rows = transaction.scratch / "rows.parquet"
        if self._rollup is None or self._config.output_collection is None:
            output.merged(new, rows)
            return rows
        combined = transaction.scratch / "combined.parquet"
        output.combined(new, combined)
        self._around.log(f"Running the rollupSql on {self._engine.name}.")
        key = table_key(self._config.output_collection)
        output.rolled_up(self._select(self._rollup, transaction, source, connection, {key: combined}), rows)
        return rows

    def _select(
        self,
        query: Query,
        transaction: Transaction,
        source: Source,
        connection: duckdb.DuckDBPyConnection,
        combined: Mapping[str, Path],
    ) -> list[Path]:
        """Run one query of the user's. ``combined``: what stands for the output collection, by its key."""
        own = table_key(self._config.input_collection)
        snapshots = {key: transaction.snapshot(self._known[key]) for key in query.tables if key not in combined}
        files = {f"raw-{key}": path for key, path in {**snapshots, **combined}.items() if key in query.tables}
        views: list[View] = []
        for key in sorted(query.tables):
            table, view = f"raw-{key}", query.columns.get(key, frozenset())
            if key in combined:
                views.append(View(key, source.view_of_output(files[table], table, view)))
            elif key == own:
                views += [View(SPARK_INPUT, source.view(table, view)), View(key, self._spark_sql)]
            else:
                views.append(View(key, view_of(connection, files[table], table, view)))
        folder = transaction.scratch / uuid.uuid4().hex
        folder.mkdir()
        return self._engine.select(files, views, query, folder)

    def _write(self, transaction: Transaction, rows: Path, connection: duckdb.DuckDBPyConnection) -> int:
        output = self._output(transaction, connection)
        count = output.count(rows)
        name = self._config.output_collection
        if name is None:
            self._around.log(f"{count} rows, not written to a collection.")
            return count
        total = output.write(rows, transaction.draft(name), replaces_mine=self._rollup is not None)
        self._around.log(f"{name}: {count} rows written, {total} in all.")
        return count

    def _output(self, transaction: Transaction, connection: duckdb.DuckDBPyConnection) -> Output:
        name = self._config.output_collection
        existing = transaction.snapshot(name) if name is not None and transaction.has(name) else None
        return Output(self._config, self._aggr_type(), existing, connection)

    @property
    def _rolls_up(self) -> bool:
        return self._config.rollup_sql is not None and self._config.output_collection is not None

    def _prepare(self, sql: str | None, subject: str) -> Query:
        values = {"inputCollection": table_name(self._config.input_collection), **self._values}
        if self._config.output_collection is not None:
            values = {"outputCollection": table_name(self._config.output_collection), **values}
        return prepare(sql or "", values, self._own, list(self._known.values()), subject)

    def _skip_if_configured(self, described: str) -> None:
        config = self._config
        if config.skip_if_empty or (config.skip_check and config.source_catchup):
            raise OperationNotNeeded(f"nothing new: {config.input_collection} has no rows {described}")

    def _waits(self, name: str) -> None:
        self._around.log(f"Waiting for another run that writes {name}.")

    def _key(self) -> str | None:
        """The key of this run's record: the run and its whole request."""
        if not self._config.run_id:
            return None
        return hashlib.sha256(f"{self._config.run_id}\0{self._config.digest}".encode()).hexdigest()

    def _aggr_type(self) -> str:
        """``click@doc_id,query``: the first type of signal, and what is grouped by."""
        first = self._values.get(_WEIGHTS, "").split(",")[0].rpartition(":")[0].strip()
        return f"{first or '*'}@{','.join(self._sql.grouped_by)}"

    def _result(self, aggregated: int) -> dict[str, Any]:
        config = self._config
        return {
            "jobConfigId": config.id,
            "jobRunId": config.run_id,
            "aggrClass": "SQL",
            "query": self._sql.text[:_LONGEST_SHOWN],
            "state": "finished",
            "aggregated": aggregated,
            "applicationId": f"{self._engine.name}-{uuid.uuid4().hex}",
            "podId": self._around.hostname,
            "aggr_type_s": self._aggr_type(),
        }
