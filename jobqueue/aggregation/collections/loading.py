"""Loads rows from files into a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import csv_rows, database, decoding, json_rows
from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.columns import check_names
from jobqueue.aggregation.collections.csv_rows import CsvFormat
from jobqueue.aggregation.collections.fields import field_type
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
#: Texts that a number would not preserve: leading zeros, a plus sign, too many digits.
_NO_NUMBER = r"^[+-]?0[0-9]|^\+|^-?[0-9.,]{19,}$"
_INEXACT = frozenset({"DOUBLE", "FLOAT"})
_DECIMALS = (".", ",")


def load(
    collections: Collections,
    name: str,
    files: Sequence[Path],
    *,
    replace: bool = False,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> int:
    """Add the rows of CSV, JSON and Parquet ``files`` to a collection, or replace its rows with them.

    ``delimiter`` of CSV files is a comma, of .tsv files a tab, unless it is given; ``decimal`` is a point or a comma.
    Returns the number of rows loaded. All files are loaded, or none, and no value is changed: raises ``InvalidInput``
    that names the file, the row and the invalid field.
    """
    import duckdb

    for file in files:
        _check_readable(file)
    _check_options(files, delimiter, decimal)
    with collections.transaction((), [name]) as transaction, database.connect(transaction.scratch) as connection:
        count = 0
        parts = []
        for number, file in enumerate(files):
            part = transaction.scratch / f"part-{number}.parquet"
            written = _csv_format(file, delimiter, decimal)
            try:
                query = _query(connection, file, transaction.scratch / f"in-{number}", written)
                count += database.write(connection, query, part)
            except (duckdb.Error, ValueError) as error:
                raise InvalidInput(f"{file} cannot be loaded: {_first_lines(error)}") from error
            parts.append(f"SELECT * FROM {database.parquet(part)}")
        if transaction.has(name) and not replace:
            parts.insert(0, f"SELECT * FROM {database.parquet(transaction.snapshot(name))}")
        try:
            _check_together(connection, parts)
            query = database.union(parts)
            columns = database.portable(database.schema(connection, query))
            database.write(connection, database.select(columns, f"({query})"), transaction.draft(name))
        except (duckdb.Error, ValueError) as error:
            raise InvalidInput(f"The rows are incompatible: {_first_lines(error)}") from error
        transaction.commit()
    return count


def _check_options(files: Sequence[Path], delimiter: str | None, decimal: str | None) -> None:
    if delimiter is not None and (len(delimiter) != 1 or (not delimiter.isprintable() and delimiter != "\t")):
        raise InvalidInput.of("delimiter", f"{delimiter[:20]!r} is not one character.")
    if delimiter is not None and (delimiter.isalnum() or delimiter in '"-+ '):
        raise InvalidInput.of(
            "delimiter", f"{delimiter!r} can be part of a value; allowed are characters such as , ; | and a tab."
        )
    if decimal not in (None, *_DECIMALS):
        raise InvalidInput.of("decimal", f"Must be {' or '.join(_DECIMALS)}, not {decimal!r}.")
    others = [file for file in files if _format(file) != "csv"]
    if others and (delimiter is not None or decimal is not None):
        raise InvalidInput(f"--delimiter and --decimal apply to CSV files only, and {others[0]} is not one.")
    for file in files:
        if decimal is not None and _csv_format(file, delimiter, decimal).delimiter == decimal:
            raise InvalidInput.of("decimal", f"{decimal!r} separates the fields of {file}; pass --delimiter as well.")


def _csv_format(file: Path, delimiter: str | None, decimal: str | None) -> CsvFormat:
    is_tsv = ".tsv" in [suffix.lower() for suffix in file.suffixes[-2:]]
    return CsvFormat(delimiter or ("\t" if is_tsv else ","), decimal or ".", delimiter is not None)


def _check_together(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> None:
    """Raise ``ValueError`` if a column has incompatible types in two files."""
    columns: dict[str, tuple[str, str]] = {}
    for part in parts:
        for name, kind in database.schema(connection, part).items():
            other, first = columns.setdefault(name.lower(), (name, kind))
            check_names(sorted({other, name}))
            if _shape(first) != _shape(kind):
                raise ValueError(f"the field {name!r} is of type {first} in one and of type {kind} in another")


def _shape(kind: str) -> str:
    """What no other shape can be changed into without becoming its text."""
    if kind.endswith("]"):
        return "list"
    return "object" if kind.startswith(("STRUCT", "MAP")) else "single value"


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


def _query(connection: duckdb.DuckDBPyConnection, file: Path, copy: Path, written: CsvFormat) -> str:
    """A SELECT of the file's rows with the types that they are kept as; ``copy`` is where to put a checked copy."""
    kind = _format(file)
    if kind == "parquet":
        return _parquet(connection, file, copy.with_suffix(".parquet"))
    with decoding.opened(connection, file) as text:
        if kind == "csv":
            kinds = csv_rows.rewrite(text, copy.with_suffix(".csv"), written)
        else:
            kinds = json_rows.rewrite(text, copy.with_suffix(".json"))
    if kind == "csv":
        return _csv(connection, database.literal(str(copy.with_suffix(".csv"))), kinds, written.decimal)
    return _json(connection, database.literal(str(copy.with_suffix(".json"))), kinds)


def _parquet(connection: duckdb.DuckDBPyConnection, file: Path, link: Path) -> str:
    link.symlink_to(file.absolute())  # DuckDB treats *, ? and [ in a path as patterns
    path = database.literal(str(link))
    top = f"SELECT name FROM parquet_schema({path}) WHERE num_children IS NULL OR num_children >= 0"
    source = database.parquet(link)
    columns = database.schema(connection, f"SELECT * FROM {source}")
    written = [str(name) for (name,) in connection.execute(top).fetchall()]
    renamed = [name for name in columns if name not in written]  # DuckDB numbers names that differ by case alone
    if renamed:
        raise ValueError(f"the field {renamed[0]!r} has a name that differs from another one only by case; rename one")
    for name, kind in columns.items():
        is_inexact = kind in _INEXACT or kind == "VARCHAR" or kind.startswith("DECIMAL")
        if _expected(name, kind) == "BIGINT" and is_inexact:
            _check_whole(connection, path, name)
    return database.select(database.portable_as(columns, _expected), source)


def _check_whole(connection: duckdb.DuckDBPyConnection, path: str, name: str) -> None:
    """Raise ``ValueError`` for the first row whose value a cast to BIGINT would round."""
    value = database.identifier(name)
    row = connection.execute(
        f"SELECT file_row_number + 1, CAST({value} AS VARCHAR) FROM read_parquet({path}, file_row_number = true) "
        f"WHERE {value} IS NOT NULL AND (try_cast({value} AS BIGINT) IS NULL OR "
        f"try_cast({value} AS DECIMAL(38, 10)) IS DISTINCT FROM try_cast({value} AS BIGINT)) ORDER BY 1 LIMIT 1"
    ).fetchone()
    if row is not None:
        raise ValueError(f"row {row[0]}, field {name!r}: {row[1]!r} is not a whole number")


def _json(connection: duckdb.DuckDBPyConnection, path: str, kinds: Mapping[str, str | None]) -> str:
    """The rows of a checked JSON file. Types are passed to the reader: type detection would change texts."""
    arguments = f"{path}, format = 'newline_delimited', maximum_object_size = 67108864"
    schema = database.schema(connection, f"SELECT * FROM read_json({arguments}, sample_size = -1)")
    read_as = {
        name: kinds.get(name) or ("VARCHAR" if database.kept_as(kind) == "VARCHAR" else kind)
        for name, kind in schema.items()
    }
    columns = ", ".join(f"{database.literal(name)}: {database.literal(kind)}" for name, kind in read_as.items())
    return database.select(database.portable_as(read_as, _expected), f"read_json({arguments}, columns = {{{columns}}})")


def _csv(connection: duckdb.DuckDBPyConnection, path: str, kinds: Mapping[str, str | None], decimal: str) -> str:
    """The rows of a checked CSV file, with column types that preserve every value as written."""
    # explicit, not detected: a broken file must not be read with other separators
    arguments = (
        f"{path}, header = true, sample_size = -1, delim = ',', quote = '\"', escape = '\"', "
        f"decimal_separator = '{decimal}', max_line_size = 67108864"
    )
    schema = database.schema(connection, f"SELECT * FROM read_csv({arguments})")
    reals = {name for name in schema if kinds.get(name) == "DOUBLE"}
    texts = {name for name, kind in schema.items() if kinds.get(name) or database.kept_as(kind) == "VARCHAR"} - reals
    unsure = [name for name, kind in schema.items() if kind in _NUMBERS and name not in texts | reals]
    if unsure:
        checks = [
            f"coalesce(bool_or(regexp_matches({database.identifier(name)}, {database.literal(_NO_NUMBER)})), false)"
            for name in unsure
        ]
        plain = f"read_csv({arguments}, all_varchar = true)"
        row = connection.execute(database.select(checks, plain)).fetchone() or ()
        texts |= {name for name, is_text in zip(unsure, row, strict=True) if is_text}
    overrides = {**dict.fromkeys(sorted(texts), "VARCHAR"), **dict.fromkeys(sorted(reals), "DOUBLE")}
    types = ", ".join(f"{database.literal(name)}: '{kind}'" for name, kind in overrides.items())
    options = f", types = {{{types}}}" if types else ""
    columns = {**schema, **overrides}
    return database.select(database.portable_as(columns, _expected), f"read_csv({arguments}{options})")


def _expected(name: str, kind: str) -> str:
    """The type that a column is kept as; a list stays one."""
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return database.kept_as(kind)
    expected = field_type(name)
    return database.kept_as(kind) if expected is None or expected.endswith("]") else expected


def _first_lines(error: Exception) -> str:
    """The part of DuckDB's message that a person can use; the rest lists every option of its readers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:1000]
