"""DuckDB, restricted to the files of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from jobqueue.aggregation.collections import database
from jobqueue.aggregation.engine import View
from jobqueue.aggregation.engine_error import explained
from jobqueue.aggregation.query import Query
from jobqueue.aggregation.spark_sql.translate import macros, translate
from jobqueue.errors import OperationFailed


class DuckDBEngine:
    """Runs the query in this process, on all its cores; what does not fit into memory goes to the folder."""

    name = "duckdb"

    def select(self, files: Mapping[str, Path], views: Sequence[View], query: Query, folder: Path) -> list[Path]:
        rows = folder / "rows.parquet"
        with database.connect(folder) as connection:
            try:
                _shut(connection, [*files.values(), rows])
                connection.execute(macros())
                program = translate(connection, files, [(view.name, view.query) for view in views], query)
                for name, sql in program.views.items():
                    _define(connection, name, _one_select(connection, sql))
                sql = _one_select(connection, program.query)
                columns = database.portable(database.schema(connection, sql))
                database.write(connection, database.select(columns, f"({sql})"), rows)
            except (duckdb.Error, ValueError) as error:
                raise OperationFailed(f"The sql failed: {explained(error)}") from error
        return [rows]


def _shut(connection: duckdb.DuckDBPyConnection, allowed: Sequence[Path]) -> None:
    """Irrevocably restrict DuckDB to the ``allowed`` files, without network or extensions."""
    paths = ", ".join(database.literal(str(path)) for path in allowed)
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _define(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    connection.execute(f"CREATE VIEW {database.identifier(name)} AS {sql}")


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The query, once DuckDB itself has confirmed that it is one SELECT."""
    statements = connection.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise OperationFailed("The sql is not one SELECT.")
    return sql
