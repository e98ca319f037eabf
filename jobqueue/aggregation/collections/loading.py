"""Loads rows from files into a collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobqueue.aggregation.collections import csv_rows, database, decoding, json_rows, parquet, together
from jobqueue.aggregation.collections.collections import Collections
from jobqueue.aggregation.collections.csv_rows import CsvFormat
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.values import REAL, TEXTS
from jobqueue.errors import InvalidInput
from jobqueue.plain_text import reason_of

if TYPE_CHECKING:
    import duckdb

#: A file's last suffix -> its format; a compressed one is followed by .gz or .zst.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
_COMPRESSED = (".gz", ".zst")
_DECIMALS = (".", ",")


def load(
    collections: Collections,
    name: str,
    files: Sequence[Path],
    *,
    replace: bool = False,
    delimiter: str | None = None,
    decimal: str | None = None,
    on_note: Callable[[str], None] = lambda _: None,
) -> int:
    """Add the rows of CSV, JSON and Parquet ``files`` to a collection, or replace its rows with them.

    ``delimiter`` of CSV files is a comma, of .tsv files a tab, unless it is given; ``decimal`` is a point or a comma.
    Returns the number of rows loaded. All files are loaded, or none, and no value is changed: raises ``InvalidInput``
    that names the file, the row and the invalid field. ``on_note`` is called with what the caller should know of files
    that are loaded, such as a Solr response that holds a part of what the query found.
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
                copy = transaction.scratch / f"in-{number}"
                query = _query(connection, file, copy, written, _of_file(file, on_note))
                count += database.write(connection, query, part)
            except (duckdb.Error, ValueError) as error:
                raise InvalidInput(f"{file} cannot be loaded: {_first_lines(error)}") from error
            parts.append(part)
        if transaction.has(name) and not replace:
            parts.insert(0, transaction.snapshot(name))
        try:
            query = together.union(connection, parts)
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


def _check_readable(file: Path) -> None:
    _format(file)
    try:
        with file.open("rb") as opened:
            is_empty = not opened.read(1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {reason_of(error)}.") from error
    if is_empty:
        raise InvalidInput(f"{file} cannot be loaded: it is empty.")


def _format(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    if not suffixes or suffixes[-1] not in FORMATS:
        raise InvalidInput(f"{file}: a file to load ends in {', '.join(FORMATS)}, and .gz or .zst if it is compressed.")
    return FORMATS[suffixes[-1]]


def _of_file(file: Path, on_note: Callable[[str], None]) -> Callable[[str], None]:
    return lambda note: on_note(f"{file}: {note}")


def _query(
    connection: duckdb.DuckDBPyConnection, file: Path, copy: Path, written: CsvFormat, on_note: Callable[[str], None]
) -> str:
    """A SELECT of the file's rows with the types that they are kept as; ``copy`` is where to put a checked copy."""
    kind = _format(file)
    if kind == "parquet":
        return parquet.rows(connection, file, copy.with_suffix(".parquet"))
    with decoding.opened(connection, file) as text:
        if kind == "csv":
            return _csv(csv_rows.rewrite(text, copy.with_suffix(".csv"), written), copy.with_suffix(".csv"), written)
        return _json(json_rows.rewrite(text, copy.with_suffix(".json"), on_note), copy.with_suffix(".json"))


def _json(types: Mapping[str, str], copy: Path) -> str:
    """The rows of a checked JSON file. Types are passed to the reader: its detection would change values."""
    columns = ", ".join(f"{database.literal(name)}: {database.literal(kind)}" for name, kind in types.items())
    source = (
        f"read_json({database.literal(str(copy))}, format = 'newline_delimited', maximum_object_size = 67108864, "
        f"columns = {{{columns}}})"
    )
    return database.select([database.identifier(name) for name in types], source)


def _csv(types: Mapping[str, str], copy: Path, written: CsvFormat) -> str:
    """The rows of a checked CSV file, with column types that keep every value as written."""
    # explicit, not detected: a broken file must not be read with other separators, nor a text as another type
    columns = ", ".join(f"{database.literal(name)}: 'VARCHAR'" for name in types)
    source = (
        f"read_csv({database.literal(str(copy))}, header = true, auto_detect = false, delim = ',', quote = '\"', "
        f"escape = '\"', max_line_size = 67108864, columns = {{{columns}}})"
    )
    return database.select([_of_csv(name, kind, written.decimal) for name, kind in types.items()], source)


def _of_csv(name: str, kind: str, decimal: str) -> str:
    """The value of a CSV field, whose typed numbers have a point already."""
    value = f"nullif({database.identifier(name)}, '')"
    if kind == TEXTS:  # one value, as Solr reads it
        value = f"CASE WHEN {value} IS NOT NULL THEN [{value}] END"
    elif kind == REAL and field_type(name) is None and decimal != ".":
        value = f"replace({value}, {database.literal(decimal)}, '.')"
    return f"CAST({value} AS {kind}) AS {database.identifier(name)}"


def _first_lines(error: Exception) -> str:
    """The part of DuckDB's message that a person can use; the rest lists every option of its readers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:4])[:1000]
