"""Output of the commands: tables that fit a terminal, plain columns for a pipe, JSON for programs."""

from __future__ import annotations

import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.times import ago

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "submitted": "cyan",
    "acknowledged": "cyan",
    "started": "blue",
    "processing": "blue",
    "completed": "green",
    "skipped": "dim",
    "cancelled": "yellow",
    "failed": "red",
    "partial_failure": "red",
    "expired": "red",
    "lost": "red",
    "live": "green",
    "offline": "red",
    "Ready": "green",
    "Draining": "yellow",
    "Cordoned": "yellow",
}
_GAP = "  "
#: Characters of a column below which nothing can be read.
_NARROWEST = 5
_SHORT_ID = 8


@dataclass(frozen=True)
class Column:
    """A table's column. ``uncut``: never shortened as long as there is any room; ``wrap``: may take several lines.

    ``least``: characters that it keeps where others can still give way.
    """

    name: str
    uncut: bool = False
    wrap: bool = False
    right: bool = False
    least: int = 8


class Screen(ABC):
    """The output of a command. Everything is shown as text: no markup, no control characters.

    ``full``: show everything, however long. So it is in a pipe, where a program reads.
    """

    full = True

    @property
    def width(self) -> int:
        """Characters of a line; a pipe has no limit."""
        return sys.maxsize

    @abstractmethod
    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:
        """Print rows under their columns' names. ``empty``: what a person reads in place of a table without rows."""

    @abstractmethod
    def line(self, text: str = "", style: str = "") -> None:
        """Print one line. A status as ``style`` gives its colour, where there are colours."""

    @abstractmethod
    def when(self, iso: str | None) -> str:
        """A time of the API for a table."""

    def clock(self, iso: str | None, beside: str | None) -> str:  # noqa: ARG002 - whole, unless a screen is narrow
        """A time of the API for a table; the day is left out if ``beside``, the time next to it, has the same."""
        return one_line(iso)

    def id(self, job_id: str | None) -> str:
        """A job's id for a table."""
        return one_line(job_id)

    def fields(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Print names and values, one per line; names without a value are left out."""
        shown = [(name, value) for name, value in pairs if value not in (None, "", [], {}, ())]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name.ljust(width)}{_GAP}{one_line(value)}")

    def heading(self, text: str) -> None:
        """Print the title of a part."""
        self.line()
        self.line(text, style="bold")

    def json(self, value: Any) -> None:
        """Print the API's JSON. Only ASCII, so that nothing in it can steer a terminal."""
        print(json.dumps(value, indent=2))


class PlainScreen(Screen):
    """For pipes and files: columns without a frame, never cut, never coloured."""

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:  # noqa: ARG002
        lines = [[column.name for column in columns], *([one_line(cell) for cell in row] for row in rows)]
        widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
        for line in lines:
            print(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def line(self, text: str = "", style: str = "") -> None:  # noqa: ARG002 - no colours here
        print(text)

    def when(self, iso: str | None) -> str:
        return one_line(iso)


class TerminalScreen(Screen):
    """For people: as wide as the terminal, with colours."""

    def __init__(self, console: Console, *, full: bool = False) -> None:
        self._console = console
        self.full = full

    @property
    def width(self) -> int:
        return self._console.width

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:
        from rich.cells import cell_len
        from rich.segment import Segments
        from rich.table import Table
        from rich.text import Text

        lines = [[one_line(cell) for cell in row] for row in rows]
        if empty and not lines:
            self.line(empty)
            return
        natural = [
            max(cell_len(text) for text in (column.name, *(line[number] for line in lines)))
            for number, column in enumerate(columns)
        ]
        widths = _shortened(columns, natural, self._console.width - len(_GAP) * (len(columns) - 1))
        table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                Text(column.name, no_wrap=True, overflow="ellipsis"),
                width=width,
                no_wrap=not column.wrap,
                overflow="fold" if column.wrap else "ellipsis",
                justify="right" if column.right else "left",
            )
        for line in lines:
            table.add_row(
                *(
                    Text(cell, style=STYLES.get(cell, ""), no_wrap=not column.wrap)
                    for cell, column in zip(line, columns, strict=True)
                )
            )
        needed = sum(widths) + len(_GAP) * len(columns)
        if needed - len(_GAP) <= self._console.width:
            self._console.print(table)
            return
        # what does not fit in any way is broken by the terminal itself: an id that is cut is worth nothing
        for drawn in self._console.render_lines(table, self._console.options.update(width=needed), pad=False):
            self._console.print(Segments(drawn), soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        from rich.text import Text

        # soft_wrap: the terminal breaks long lines itself, so that a copied line stays one line
        self._console.print(Text(text, style=STYLES.get(style, style)), soft_wrap=True)

    def when(self, iso: str | None) -> str:
        return ago(iso, datetime.now(timezone.utc)) if iso else one_line(iso)

    def clock(self, iso: str | None, beside: str | None) -> str:
        day, _, time = one_line(iso).partition("T")
        return time.removesuffix("Z") if time and not self.full and (beside or "").startswith(day) else one_line(iso)

    def id(self, job_id: str | None) -> str:
        return one_line(job_id) if self.full else one_line(job_id)[:_SHORT_ID]


def _shortened(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """Each column's width, so that all fit into ``room`` if possible; the widest one shrinks first.

    First to ``least``, then to the narrowest readable width; then whole columns go. The first names the row and stays.
    """
    widths = list(natural)
    partly = [number for number, column in enumerate(columns) if not column.uncut]
    least, narrowest = [column.least for column in columns], [_NARROWEST] * len(columns)
    for numbers, floor in ((partly, least), (partly, narrowest), (range(1, len(columns)), narrowest)):
        while sum(widths) > room:
            wide = [number for number in numbers if widths[number] > floor[number]]
            if not wide:
                break
            widths[max(wide, key=lambda number: widths[number] - least[number])] -= 1
    return widths


def screen(*, full: bool = False) -> Screen:
    """The screen for standard output as it is now."""
    if not sys.stdout.isatty():
        return PlainScreen()
    return TerminalScreen(console(), full=full)


def console(*, stderr: bool = False) -> Console:
    """A rich console that takes every text as text."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def complain(message: str) -> None:
    """One line on standard error."""
    print(f"Error: {one_line(message)}", file=sys.stderr)


def make_streams_safe() -> None:
    """A character that the terminal's encoding lacks must not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
