"""``jobqueue audit``: who did what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TextIO

import click

from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.output import Column, Screen, complain, screen
from jobqueue.cli.views.text import one_line

_COLUMNS = (
    Column("NUMBER", uncut=True, right=True),
    Column("TIME", uncut=True),
    Column("WHO", uncut=True),
    Column("FROM", uncut=True),
    Column("RESULT", uncut=True),
    Column("WHAT"),
    Column("DETAILS"),
)
_PAGE = 1000
EXIT_BROKEN = 1


@click.group(cls=ClientGroup)
def audit() -> None:
    """Show and verify the audit trail: who did what, when and from where."""


@audit.command("list")
@click.option(
    "--limit", type=click.IntRange(1, _PAGE), default=50, show_default=True, help="Maximum number of entries."
)
@click.option("--who", metavar="NAME", help="Only actions of this principal.")
@json_option
def list_entries(limit: int, who: str | None, as_json: bool) -> None:
    """List the newest entries."""
    with connect() as client:
        page = client.audit(limit=limit, who=who)
    show_table(page, _COLUMNS, page["entries"], _row, empty="No entries.", as_json=as_json)


@audit.command()
@json_option
def verify(as_json: bool) -> None:
    """Verify that no entry was added, changed, moved or removed. Exit code 1: tampering was found."""
    with connect() as client:
        verdict = client.verify_audit()
    out = screen()
    if as_json:
        out.json(verdict)
    elif verdict["valid"]:
        out.line(f"The audit trail is intact: {verdict['entries']} entries, {verdict['first']} to {verdict['last']}.")
    else:
        for problem in verdict["problems"]:
            complain(one_line(problem))
    if not verdict["valid"]:
        click.get_current_context().exit(EXIT_BROKEN)


@audit.command()
@click.option(
    "--output", type=click.File("w", encoding="utf-8"), default="-", help="File to write; default: standard output."
)
def export(output: TextIO) -> None:
    """Write all entries as JSON lines, oldest first."""
    last = 0
    with connect() as client:
        while True:
            entries = client.audit(limit=_PAGE, after=last)["entries"]
            output.writelines(json.dumps(entry) + "\n" for entry in entries)
            if len(entries) < _PAGE:
                return
            last = entries[-1]["number"]


def _row(out: Screen, entry: Mapping[str, Any]) -> list[Any]:
    return [
        entry.get("number"),
        out.when(entry.get("timestamp")),
        entry.get("who"),
        entry.get("address"),
        f"{entry.get('result')} {entry.get('status')}",
        f"{entry.get('method')} {entry.get('path')}",
        entry.get("details") or None,
    ]
