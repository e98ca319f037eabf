"""``jobqueue alert``: alerts by kind, and who has acknowledged them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.output import Column, Screen, screen
from jobqueue.cli.views.text import one_line

_COLUMNS = (
    Column("KIND", uncut=True),
    Column("COUNT", right=True),
    Column("LAST", uncut=True),
    Column("ACKNOWLEDGED", wrap=True),
    Column("NEWEST", wrap=True),
)


@click.group(cls=ClientGroup)
def alert() -> None:
    """List alerts by kind, and acknowledge them.

    An acknowledgement holds until an alert of the kind is raised or updated.
    """


@alert.command("list")
@click.option("--all", "is_all", is_flag=True, help="Include acknowledged alerts.")
@json_option
def list_alerts(is_all: bool, as_json: bool) -> None:
    """List the newest alerts by kind."""
    with connect() as client:
        answer = client.alerts()
    out = screen()
    if as_json:
        out.json(answer)
        return
    shown = [group for group in answer["items"] if is_all or not group.get("acknowledged")]
    if shown:
        out.table(_COLUMNS, [_row(out, group) for group in shown])
    hidden = len(answer["items"]) - len(shown)
    if hidden:
        out.line(f"{hidden} acknowledged {'kind is' if hidden == 1 else 'kinds are'} not shown; --all shows all.")
    elif not shown:
        out.line("There are no alerts.")


@alert.command("acknowledge")
@click.argument("kinds", metavar="KIND...", nargs=-1, required=True)
@click.option("--note", default="", metavar="TEXT", help="A note for others, such as the cause or a ticket.")
@json_option
def acknowledge_alert(kinds: Sequence[str], note: str, as_json: bool) -> None:
    """Acknowledge the alerts of one or several kinds, until one is raised or updated."""
    with connect() as client:
        # the version is that of the list read here: an alert that is raised in between is not acknowledged unseen
        versions = {group.get("kind"): group.get("version") for group in client.alerts()["items"]}
        for kind in kinds:
            group = client.acknowledge_alert(kind, version=versions.get(kind), note=note)
            _say(
                group,
                as_json,
                f"acknowledged: {group.get('count')} alerts, the newest: {one_line(group.get('message'))}",
            )


@alert.command("reopen")
@click.argument("kinds", metavar="KIND...", nargs=-1, required=True)
@json_option
def reopen_alert(kinds: Sequence[str], as_json: bool) -> None:
    """Withdraw the acknowledgement of one or several kinds."""
    with connect() as client:
        for kind in kinds:
            _say(client.reopen_alert(kind), as_json, "reopened")


def _say(group: Mapping[str, Any], as_json: bool, text: str) -> None:
    show_line(group, f"{one_line(group.get('kind'))}  {text}", as_json=as_json)


def _row(out: Screen, group: Mapping[str, Any]) -> Sequence[Any]:
    acknowledgement = group.get("acknowledgement")
    acknowledged = None
    if group.get("acknowledged") and isinstance(acknowledgement, Mapping):
        note = f": {acknowledgement['note']}" if acknowledgement.get("note") else ""
        acknowledged = f"by {acknowledgement.get('by')}{note}"
    hosts = ", ".join((group.get("hosts") or ())[:3])
    message = f"{group.get('message')} ({hosts})" if hosts else group.get("message")
    return [group.get("kind"), group.get("count"), out.when(group.get("last")), acknowledged, message]
