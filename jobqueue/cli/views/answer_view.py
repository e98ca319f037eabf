"""One answer of the API: as JSON, or as a line or a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jobqueue.cli.views.output import Column, Screen, screen


def show_line(answer: Any, text: str, *, as_json: bool) -> None:
    """The answer as JSON, else the line ``text``."""
    if as_json:
        screen().json(answer)
    else:
        screen().line(text)


def show_table(
    answer: Any,
    columns: Sequence[Column],
    items: Iterable[Mapping[str, Any]],
    row: Callable[[Screen, Mapping[str, Any]], Sequence[Any]],
    *,
    empty: str,
    as_json: bool,
    full: bool = False,
) -> None:
    """The answer as JSON, else a table with a row for each of ``items``; on a terminal ``empty`` without any."""
    out = screen(full=full)
    if as_json:
        out.json(answer)
    else:
        out.table(columns, [row(out, item) for item in items], empty=empty)
