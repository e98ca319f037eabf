"""Rows from files into a collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.collections import database
from jobqueue.collections.collections import Collections
from jobqueue.collections.fields import field_type
from jobqueue.errors import InvalidInput

if TYPE_CHECKING:
    import duckdb

#: A file's last suffix -> its format; a compressed one has .gz or .zst behind it.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
_COMPRESSED = (".gz", ".zst")
_NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE"}
#: What a number would not keep: leading zeros, a plus sign, more digits than it has room for.
_NO_NUMBER = r"^[+-]?0[0-9]|^\+|^-?[0-9]{19,}$"


def load(collections: Collections, name: str, files: Sequence[Path], *, replace: bool = False) -> int:
    """Add the rows of CSV, JSON lines and Parquet ``files`` to a collection, or put them in place of its rows.

    Gives the number of rows that came in. All files are taken, or none: raises ``InvalidInput`` that names the
    file and what is wrong with it.
    """
    import duckdb

    for file in files:
        _check_readable(file)
    with collections.transaction((), [name]) as transaction, database.connect(transaction.scratch) as connection:
        count = 0
        parts = []
        for number, file in enumerate(files):
            part = transaction.scratch / f"part-{number}.parquet"
            try:
                count += database.write(
                    connection, _query(connection, file, transaction.scratch / f"in-{number}"), part
                )
            except (duckdb.Error, ValueError) as error:
                raise InvalidInput(f"{file} cannot be loaded: {_first_lines(error)}") from error
            parts.append(f"SELECT * FROM {database.parquet(part)}")
        if transaction.has(name) and not replace:
            parts.insert(0, f"SELECT * FROM {database.parquet(transaction.snapshot(name))}")
        try:
            query = database.union(parts)
            columns = database.portable(database.schema(connection, query))
            database.write(connection, database.select(columns, f"({query})"), transaction.draft(name))
        except (duckdb.Error, ValueError) as error:
            raise InvalidInput(f"The rows do not fit together: {_first_lines(error)}") from error
        transaction.commit()
    return count


def _check_readable(file: Path) -> None:
    _format(file)
    try:
        with file.open("rb") as opened:
            is_empty = not opened.read(1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    if is_empty:
        raise InvalidInput(f"{file} cannot be loaded: it is empty.")


def _format(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise InvalidInput(f"{file}: a file to load ends in {', '.join(FORMATS)}, and .gz or .zst if it is compressed.")
    return FORMATS[suffixes[-1]]


def _query(connection: duckdb.DuckDBPyConnection, file: Path, link: Path) -> str:
    """A SELECT of the file's rows with the types that they are kept as."""
    # through a link, because DuckDB takes *, ? and [ in a path for patterns
    link = link.with_name(
        link.name + "".join(file.suffixes[-2:]).lower().translate({ord(char): "_" for char in "*?[]"})
    )
    link.symlink_to(file.absolute())
    path = database.literal(str(link))
    kind = _format(file)
    if kind == "csv":
        source = _csv(connection, path, "\t" if ".tsv" in link.suffixes else ",")
    elif kind == "json":
        source = f"read_json({path}, sample_size = -1, maximum_object_size = 67108864)"
    else:
        source = database.parquet(link)
    columns = database.schema(connection, f"SELECT * FROM {source}")
    return database.select(database.portable_as(columns, _wanted), source)


def _csv(connection: duckdb.DuckDBPyConnection, path: str, separator: str) -> str:
    """The table of a CSV file whose columns have the types that keep every value as it is written."""
    # said, not guessed: a broken file must not turn into one with other separators
    given = f"{path}, header = true, sample_size = -1, delim = '{separator}', quote = '\"', escape = '\"'"
    found = database.schema(connection, f"SELECT * FROM read_csv({given})")
    texts = {name for name, kind in found.items() if _wanted(name, kind) == "VARCHAR"}
    unsure = [name for name, kind in found.items() if kind in _NUMBERS and name not in texts]
    if unsure:
        checks = [
            f"coalesce(bool_or(regexp_matches({database.identifier(name)}, {database.literal(_NO_NUMBER)})), false)"
            for name in unsure
        ]
        plain = f"read_csv({given}, all_varchar = true)"
        row = connection.execute(database.select(checks, plain)).fetchone() or ()
        texts |= {name for name, is_text in zip(unsure, row, strict=True) if is_text and field_type(name) is None}
    types = ", ".join(f"{database.literal(name)}: 'VARCHAR'" for name in found if name in texts)
    options = f", types = {{{types}}}" if types else ""
    return f"read_csv({given}{options})"


def _wanted(name: str, found: str) -> str:
    """The type that a column is kept as; a list stays one."""
    if found.endswith("]") or found.startswith(("STRUCT", "MAP")):
        return database.kept_as(found)
    wanted = field_type(name)
    return database.kept_as(found) if wanted is None or wanted.endswith("]") else wanted


def _first_lines(error: Exception) -> str:
    """The part of DuckDB's message that a person can use; the rest lists every option of its readers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:1000]
