"""CSV files: RFC 4180, with a header. No guessing: an invalid row is an error that names it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jobqueue.aggregation.collections.columns import check_names
from jobqueue.aggregation.collections.fields import field_type
from jobqueue.aggregation.collections.values import REAL, TEXT, TEXTS, typed

#: Delimiters that a header without the right one shows.
_OTHERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
_LONGEST_FIELD = 64 * 1024 * 1024


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written. ``is_given``: the delimiter was specified, not derived from the file's name."""

    delimiter: str = ","
    decimal: str = "."
    is_given: bool = False


def rewrite(source: IO[str], target: Path, written: CsvFormat) -> dict[str, str | None]:
    """Write the rows to ``target`` as CSV with commas in UTF-8; returns column -> the type in its name, or None.

    Values of typed columns are checked, and written as DuckDB reads them. An empty field is a null. Raises
    ``ValueError`` with the row (the header is row 1) and the field of the first value that does not fit.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    rows = _read(source, written)
    _, header = next(rows, (1, []))
    if not header:
        raise ValueError("it has no header")
    _check_header(header, written)
    kinds = {name: field_type(name) for name in header}
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for number, row in rows:
            # an empty line of a file with one column is a row without a value
            out.writerow(_checked(row or [""], number, header, list(kinds.values()), written.decimal))
    return kinds


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
    if len(header) == 1 and not written.is_given:
        for other, message in _OTHERS.items():
            if other != written.delimiter and other in header[0]:
                raise ValueError(
                    f"row 1: the only column would be {header[0][:80]!r}; if its columns are separated by {message}, "
                    f"pass --delimiter (else --delimiter {written.delimiter!r} says that this is the name)"
                )


def _checked(
    row: Sequence[str], number: int, header: Sequence[str], kinds: Sequence[str | None], decimal: str
) -> list[str]:
    if len(row) != len(header):
        raise ValueError(
            f"row {number} has {len(row)} fields, and the header {len(header)}: a value that holds the delimiter or a "
            "line end belongs between quotes"
        )
    out = []
    for name, value, kind in zip(header, row, kinds, strict=True):
        if value and kind is not None and kind not in (TEXT, TEXTS):
            try:
                read = typed(value, kind, decimal)
            except ValueError as error:
                raise ValueError(f"row {number}, field {name!r}: {error}") from error
            # DuckDB reads numbers with the file's own decimal sign
            out.append(str(read).replace(".", decimal) if kind == REAL else str(read))
        else:
            out.append(value)
    return out
