"""``jobqueue target``: expressions stored under names, for use as @name."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobqueue.cli.candidates import stored_targets_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import name_each
from jobqueue.cli.parameters import full_option, json_option
from jobqueue.cli.views.answer_view import show_line, show_table
from jobqueue.cli.views.output import Column, screen
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client

_COLUMNS = (
    Column("NAME", uncut=True),
    Column("TARGET", wrap=True),
    Column("CHANGED BY"),
    Column("DESCRIPTION", wrap=True),
)


@click.group(cls=ClientGroup)
def target() -> None:
    """Store targets under names, for use as @name."""


@target.command("set")
@click.argument("name", shell_complete=stored_targets_like)
@click.argument("expression")
@click.option("--description", default="", help="Description of the target.")
@json_option
def set_target(name: str, expression: str, description: str, as_json: bool) -> None:
    """Store a target, or replace it: jobqueue target set odd 'group:web and zone:a'."""
    with connect() as client:
        stored = client.set_target(name, expression, description)
    show_line(stored, f"@{one_line(stored.get('name'))}  {one_line(stored.get('target'))}", as_json=as_json)


@target.command("list")
@full_option
@json_option
def list_targets(full: bool, as_json: bool) -> None:
    """List all stored targets."""
    with connect() as client:
        answer = client.targets()
    show_table(
        answer,
        _COLUMNS,
        answer["targets"],
        lambda _, target: [target.get(name) for name in ("name", "target", "changed_by", "description")],
        empty="No stored targets; `jobqueue target set` stores one.",
        as_json=as_json,
        full=full,
    )


@target.command()
@click.argument("name", shell_complete=stored_targets_like)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a stored target, and the hosts that it names now."""
    with connect() as client:
        stored = client.target(name)
    out = screen()
    if as_json:
        out.json(stored)
        return
    hosts = stored.get("hosts") or []
    out.fields(
        [
            ("Name", stored.get("name")),
            ("Target", stored.get("target")),
            ("Description", stored.get("description")),
            ("Changed", f"{out.when(stored.get('changed'))} by {one_line(stored.get('changed_by'))}"),
            ("Hosts", f"{len(hosts)}: {', '.join(map(one_line, hosts))}" if hosts else "none now"),
            *(("Note", note) for note in stored.get("notes") or ()),
        ]
    )


@target.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=stored_targets_like)
def delete(names: Sequence[str]) -> None:
    """Delete stored targets."""
    name_each(names, Client.delete_target, "deleted")
