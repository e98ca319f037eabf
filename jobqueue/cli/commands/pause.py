"""``jobqueue pause``: pauses of operations, tags, hosts or everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import future, json_option
from jobqueue.cli.views.output import Column, screen
from jobqueue.cli.views.text import one_line

_COLUMNS = (
    Column("ID", uncut=True),
    Column("PAUSED", wrap=True),
    Column("SINCE", uncut=True),
    Column("UNTIL", uncut=True),
    Column("BY"),
    Column("WAITING", right=True),
    Column("REASON", wrap=True),
)
_reason = click.option("--reason", required=True, help="Why, for those whose jobs wait.")
_until = click.option(
    "--until", type=future, metavar="TIME", help="When it ends by itself: a time, or a duration such as 2h."
)


@click.group(cls=ClientGroup)
def pause() -> None:
    """Pause operations, tags, hosts or everything, and resume them.

    Nothing new starts there, and what runs goes on.
    """


@pause.command("operation")
@click.argument("operation")
@_reason
@_until
@json_option
def pause_operation(operation: str, reason: str, until: str | None, as_json: bool) -> None:
    """Pause an operation, or several as 'command.*'."""
    _begin(as_json, operation=operation, reason=reason, until=until)


@pause.command("tag")
@click.argument("tag", metavar="KEY:VALUE")
@_reason
@_until
@json_option
def pause_tag(tag: str, reason: str, until: str | None, as_json: bool) -> None:
    """Pause jobs with a tag."""
    _begin(as_json, tag=tag, reason=reason, until=until)


@pause.command("target")
@click.argument("target")
@_reason
@_until
@json_option
def pause_target(target: str, reason: str, until: str | None, as_json: bool) -> None:
    """Pause the hosts that a target names now."""
    _begin(as_json, target=target, reason=reason, until=until)


@pause.command("everything")
@_reason
@_until
@json_option
def pause_everything(reason: str, until: str | None, as_json: bool) -> None:
    """Pause all operations on all hosts."""
    _begin(as_json, everything=True, reason=reason, until=until)


@pause.command("list")
@json_option
def list_pauses(as_json: bool) -> None:
    """List all pauses."""
    with connect() as client:
        answer = client.pauses()
    out = screen()
    if as_json:
        out.json(answer)
        return
    rows = [
        [
            one.get("id"),
            _subject(one),
            out.when(one.get("created")),
            out.when(one.get("until")) if one.get("until") else None,
            one.get("created_by"),
            one.get("held_back"),
            one.get("reason"),
        ]
        for one in answer["pauses"]
    ]
    out.table(_COLUMNS, rows)


@pause.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def resume(ids: Sequence[str]) -> None:
    """End pauses: what they held back starts, in its former order."""
    with connect() as client:
        for pause_id in ids:
            client.end_pause(pause_id)
            screen().line(f"{one_line(pause_id)}  resumed")


def _begin(as_json: bool, **what: Any) -> None:
    with connect() as client:
        answer = client.begin_pause(**what)
    if as_json:
        screen().json(answer)
    else:
        screen().line(f"{one_line(answer.get('id'))}  {_subject(answer)} is paused")


def _subject(pause: Mapping[str, Any]) -> str:
    hosts = pause.get("hosts")
    return one_line(pause.get("what")) + (f" ({hosts} hosts)" if hosts else "")
