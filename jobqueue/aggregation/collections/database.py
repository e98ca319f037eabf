"""DuckDB connections, and the SQL fragments used throughout this package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loading DuckDB takes a tenth of a second: listing operations must not pay for it
    import duckdb

#: Types that Parquet or Spark cannot hold -> what they are kept as. Times are moments: stored in UTC, and said to be.
_KEPT_AS = {
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    "UBIGINT": "BIGINT",
    "UINTEGER": "BIGINT",
    "USMALLINT": "INTEGER",
    "UTINYINT": "SMALLINT",
    "UUID": "VARCHAR",
    "INTERVAL": "VARCHAR",
    "BIT": "VARCHAR",
    "BIGNUM": "VARCHAR",
    "VARINT": "VARCHAR",
    "JSON": "VARCHAR",
    '"NULL"': "VARCHAR",
    "TIME": "VARCHAR",
    "TIME WITH TIME ZONE": "VARCHAR",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_S": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_MS": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_NS": "TIMESTAMP WITH TIME ZONE",
}
_TYPE_WORD = re.compile(r'"(?:[^"]|"")*"|TIME(?:STAMP)? WITH TIME ZONE|[A-Z_]+')


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """A connection to an empty database; what does not fit into memory goes to ``scratch``. Times are in UTC."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",  # a table's name must never resolve to a Python variable
            "preserve_insertion_order": "false",
            "temp_directory": str(scratch / "spill"),
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it would be drawn into the job's output
    return connection


def identifier(name: str) -> str:
    """``name`` as SQL writes a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as SQL writes a string."""
    return "'" + text.replace("'", "''") + "'"


def parquet(*paths: Path) -> str:
    """The table that is kept in these files."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name = true)"


def schema(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """Column -> type of what a SELECT gives; raises ``ValueError`` when two columns have the same name."""
    columns: dict[str, str] = {}
    for name, type_name, *_ in connection.execute(f"DESCRIBE {query}").fetchall():
        if name.lower() in {column.lower() for column in columns}:
            raise ValueError(f"the column {name!r} appears twice; give each a distinct name with AS")
        columns[name] = type_name
    return columns


def portable(columns: Mapping[str, str]) -> list[str]:
    """One expression per column that gives it a type which Parquet and Spark have."""
    return portable_as(columns, lambda _, column_type: kept_as(column_type))


def portable_as(columns: Mapping[str, str], kept_as: Callable[[str, str], str]) -> list[str]:
    """One expression per column that gives it the type ``wanted(name, type)``."""
    kinds = {name: (column_type, kept_as(name, column_type)) for name, column_type in columns.items()}
    return [_as(name, column_type, to) for name, (column_type, to) in kinds.items()]


def _as(name: str, kind: str, to: str) -> str:
    if kind == "JSON":  # a column of values of many kinds: a text without its quotes
        return f"CAST({identifier(name)} ->> '$' AS {to}) AS {identifier(name)}"
    return identifier(name) if kind == to else cast(name, to)


def kept_as(type_name: str) -> str:
    """The type that a value of ``type_name`` is kept as, also inside lists and structs."""
    if type_name.startswith(("ENUM(", "UNION(")):
        return "VARCHAR"
    return _TYPE_WORD.sub(lambda word: _KEPT_AS.get(word[0], word[0]), type_name)


def cast(name: str, type_name: str) -> str:
    """The column ``name`` as another type, under its own name."""
    return f"CAST({identifier(name)} AS {type_name}) AS {identifier(name)}"


def write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write what a SELECT gives to one Parquet file; gives the number of rows."""
    target = f"{literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
    row = connection.execute(f"COPY ({query}) TO {target}").fetchone()
    return int(row[0]) if row else 0


def union(queries: Iterable[str]) -> str:
    """The rows of all ``queries``, matched by the columns' names."""
    return " UNION ALL BY NAME ".join(f"({query})" for query in queries)


def select(columns: Sequence[str], source: str, where: str = "") -> str:
    """A SELECT of ``columns`` (expressions) from ``source``."""
    return f"SELECT {', '.join(columns)} FROM {source}" + (f" WHERE {where}" if where else "")
