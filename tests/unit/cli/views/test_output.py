"""Tables: inside the terminal's width, and whole in a pipe."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from jobqueue.cli.views.output import Column, PlainScreen, TerminalScreen, make_streams_safe

COLUMNS = (Column("ID", uncut=True), Column("OPERATION"), Column("N", right=True), Column("ERROR", wrap=True, least=10))
ROWS = [
    ("6f1c2f8e-0000-4000-8000-000000000001", "command.exec.execute." + "x" * 100, 7, "disk full " * 30),
    ("6f1c2f8e-0000-4000-8000-000000000002", "[bold]a[/bold] :smile:", 12, "\x1b[2Jboo\nhoo"),
]


def terminal(width: int, *, full: bool = False) -> tuple[TerminalScreen, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None, markup=False, emoji=False)
    return TerminalScreen(console, full=full), file


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_table_fits_the_terminal(width: int) -> None:
    screen, file = terminal(width)
    screen.table(COLUMNS, ROWS)
    lines = file.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert all(any(line.startswith(str(row[0])) for line in lines) for row in ROWS), "ids are never cut"
    assert "\u2026" in file.getvalue()
    assert "disk full" in file.getvalue()


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    screen, file = terminal(80)
    screen.table(COLUMNS, [], empty="No jobs.")
    assert file.getvalue() == "No jobs.\n"
    PlainScreen().table(COLUMNS, [], empty="No jobs.")  # programs read this one
    assert capsys.readouterr().out.split() == [column.name for column in COLUMNS]


def test_markup_and_escapes_are_shown_as_text() -> None:
    screen, file = terminal(120)
    screen.table(COLUMNS, ROWS[1:])
    screen.fields([("Error", "[red]x[/red]\x1b[31m"), ("Empty", None), ("Zero", 0), ("No", False)])
    assert "[bold]a[/bold] :smile:" in file.getvalue()
    assert r"\x1b[2Jboo hoo" in file.getvalue()
    assert r"Error  [red]x[/red]\x1b[31m" in file.getvalue()
    assert "Zero   0" in file.getvalue()
    assert "No     false" in file.getvalue()
    assert "Empty" not in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_long_lines_are_not_broken() -> None:
    screen, file = terminal(20)
    screen.line("x" * 100)
    assert file.getvalue() == "x" * 100 + "\n"


def test_statuses_have_colours() -> None:
    file = io.StringIO()
    screen = TerminalScreen(Console(file=file, width=80, force_terminal=True, color_system="standard"))
    screen.table((Column("STATUS"),), [("failed",), ("completed",), ("odd",)])
    assert "\x1b[31mfailed" in file.getvalue()
    assert "\x1b[32mcompleted" in file.getvalue()
    assert "\nodd" in file.getvalue()


def test_a_pipe_gets_whole_columns(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().table(COLUMNS, ROWS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "OPERATION", "N", "ERROR"]
    assert "x" * 100 in first
    assert first.endswith("disk full")
    assert first[head.index("  N  ") + 2 :].startswith("7  ")
    assert second.endswith(r"\x1b[2Jboo hoo")


def test_an_empty_table_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().table(COLUMNS, [])
    assert capsys.readouterr().out == "ID  OPERATION  N  ERROR\n"


def test_times_are_relative_for_people_and_exact_for_programs() -> None:
    assert PlainScreen().when("2020-01-01T00:00:00.000Z") == "2020-01-01T00:00:00.000Z"
    assert terminal(80)[0].when("2020-01-01T00:00:00.000Z").endswith("d ago")
    assert terminal(80)[0].when(None) == "-"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().json({"b": "\x1b\x9bü\ud800", "a": 2**70})
    assert capsys.readouterr().out == '{\n  "b": "\\u001b\\u009b\\u00fc\\ud800",\n  "a": 1180591620717411303424\n}\n'


def test_a_poor_encoding_does_not_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    make_streams_safe()
    PlainScreen().line("grüße \u2026")
    assert raw.getvalue() == b"gr\\xfc\\xdfe \\u2026\n"
