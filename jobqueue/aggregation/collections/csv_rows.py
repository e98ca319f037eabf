"""CSV files: RFC 4180, with a header. No guessing: an invalid row is an error that names it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from jobqueue.aggregation.collections import kinds
from jobqueue.aggregation.collections.columns import check_names
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.values import TEXT, TEXTS, typed

#: Delimiters that a header without the right one shows; a comma is common within a name.
_OTHERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
_LONGEST_FIELD = 64 * 1024 * 1024


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written. ``is_given``: the delimiter was specified, not derived from the file's name."""

    delimiter: str = ","
    decimal: str = "."
    is_given: bool = False


@dataclass
class _Column:
    """A column of a file: the type in its name, else the kinds of its values up to now."""

    name: str
    type: str | None
    kinds: dict[str, int] = field(default_factory=dict)

    def checked(self, value: str, row: int, decimal: str) -> str:
        """The value as DuckDB reads it. Raises ``ValueError`` with the row if it does not fit the type."""
        if not value or self.type in (TEXT, TEXTS):
            return value
        if self.type is None:
            if "text" not in self.kinds:
                self.kinds.setdefault(kinds.of_text(value, decimal), row)
            return value
        try:
            return str(typed(value, self.type, decimal))
        except ValueError as error:
            raise ValueError(f"row {row}, field {self.name!r}: {error}") from error


def rewrite(source: IO[str], target: Path, written: CsvFormat) -> dict[str, str]:
    """Write the rows to ``target`` as CSV with commas in UTF-8; returns column -> type.

    The type is the one in the column's name, else one that keeps its values. Values of typed columns are checked, and
    written as DuckDB reads them; the decimal sign of untyped numbers stays. An empty field is a null. Raises
    ``ValueError`` with the row (the header is row 1) and the field of the first value that does not fit.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    rows = _read(source, written)
    _, header = next(rows, (1, []))
    if not header:
        raise ValueError("it has no header")
    header = [name.strip() for name in header]
    _check_header(header, written)
    columns = [_Column(name, field_type(name)) for name in header]
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for number, row in rows:
            # an empty line of a file with one column is a row without a value
            out.writerow(_checked(row or [""], number, columns, written.decimal))
    return {column.name: column.type or kinds.type_of(column.kinds) or TEXT for column in columns}


def _read(source: IO[str], written: CsvFormat) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers; blank lines are left out where a row would have more than one field."""
    reader = csv.reader(_lines(source), delimiter=written.delimiter, strict=True)
    number, width = 0, 0
    try:
        for row in reader:
            number += 1
            width = width or len(row)
            if row or width == 1:
                yield number, row
    except csv.Error as error:
        raise ValueError(f"row {number + 1}: {error}") from error


def _lines(source: IO[str]) -> Iterable[str]:
    """The lines, whose ends may be those of any system. A NUL would end a text in C, and is refused."""
    for line in source:
        if "\x00" in line:
            raise csv.Error("it contains a NUL character")
        yield line


def _check_header(header: Sequence[str], written: CsvFormat) -> None:
    check_names(header, "row 1: ")
    if written.is_given:
        return
    for other, message in _OTHERS.items():
        has_other = any(other in name for name in header) if other != "," else "," in header[0] and len(header) == 1
        if other != written.delimiter and has_other:
            name = next(name for name in header if other in name)
            only = "the only column" if len(header) == 1 else "a column"
            raise ValueError(
                f"row 1: {only} would be {name[:80]!r}; if its columns are separated by {message}, pass "
                f"--delimiter (else --delimiter {written.delimiter!r} says that this is the name)"
            )


def _checked(row: Sequence[str], number: int, columns: Sequence[_Column], decimal: str) -> list[str]:
    if len(row) != len(columns):
        raise ValueError(
            f"row {number} has {len(row)} fields, and the header {len(columns)}: a value that holds the delimiter or a "
            "line end belongs between quotes"
        )
    return [column.checked(value, number, decimal) for column, value in zip(columns, row, strict=True)]
