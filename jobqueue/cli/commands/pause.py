"""``jobqueue pause``: pauses of operations, tags, hosts or everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import name_each
from jobqueue.cli.parameters import future, json_option
from jobqueue.cli.views.answer_view import show_line, show_table
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client

_COLUMNS = (
    Column("ID", uncut=True),
    Column("PAUSED", wrap=True),
    Column("SINCE", uncut=True),
    Column("UNTIL", uncut=True),
    Column("BY"),
    Column("WAITING", right=True),
    Column("REASON", wrap=True),
)
_reason = click.option("--reason", required=True, help="The reason, shown to users whose jobs wait.")
_until = click.option(
    "--until", type=future, metavar="TIME", help="When the pause ends automatically: a time, or a duration such as 2h."
)
_rate = click.option(
    "--rate", metavar="N/s|N/m|N/h", help="Let this many executions start per second, minute or hour; default: none."
)


@click.group(cls=ClientGroup)
def pause() -> None:
    """Pause operations, tags, hosts or everything, and resume them.

    No new execution starts there, or, with --rate, only a limited number; running executions continue.
    """


@pause.command("operation")
@click.argument("operation")
@_reason
@_until
@_rate
@json_option
def pause_operation(operation: str, reason: str, until: str | None, rate: str | None, as_json: bool) -> None:
    """Pause an operation, or several by a pattern such as 'command.*'."""
    _begin(as_json, operation=operation, reason=reason, until=until, rate=rate)


@pause.command("tag")
@click.argument("tag", metavar="KEY:VALUE")
@_reason
@_until
@_rate
@json_option
def pause_tag(tag: str, reason: str, until: str | None, rate: str | None, as_json: bool) -> None:
    """Pause jobs with a tag."""
    _begin(as_json, tag=tag, reason=reason, until=until, rate=rate)


@pause.command("target")
@click.argument("target")
@_reason
@_until
@_rate
@json_option
def pause_target(target: str, reason: str, until: str | None, rate: str | None, as_json: bool) -> None:
    """Pause the hosts that a target names now."""
    _begin(as_json, target=target, reason=reason, until=until, rate=rate)


@pause.command("everything")
@_reason
@_until
@_rate
@json_option
def pause_everything(reason: str, until: str | None, rate: str | None, as_json: bool) -> None:
    """Pause all operations on all hosts."""
    _begin(as_json, everything=True, reason=reason, until=until, rate=rate)


@pause.command("list")
@json_option
def list_pauses(as_json: bool) -> None:
    """List all pauses."""
    with connect() as client:
        answer = client.pauses()
    show_table(answer, _COLUMNS, answer["pauses"], _row, empty="Nothing is paused.", as_json=as_json)


@pause.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def resume(ids: Sequence[str]) -> None:
    """End pauses: held executions start, in their former order."""
    name_each(ids, Client.end_pause, "resumed")


def _begin(as_json: bool, **terms: Any) -> None:
    with connect() as client:
        answer = client.begin_pause(**terms)
    show_line(answer, f"{one_line(answer.get('id'))}  {_subject(answer)} is paused", as_json=as_json)


def _row(out: Screen, pause: Mapping[str, Any]) -> list[Any]:
    return [
        pause.get("id"),
        _subject(pause),
        out.when(pause.get("created")),
        out.when(pause.get("until")) if pause.get("until") else None,
        pause.get("created_by"),
        pause.get("held_back"),
        pause.get("reason"),
    ]


def _subject(pause: Mapping[str, Any]) -> str:
    hosts = pause.get("hosts")
    return one_line(pause.get("what")) + (f" ({hosts} hosts)" if hosts else "")
