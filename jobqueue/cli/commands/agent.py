"""``jobqueue agent``: the hosts that run jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import hostnames_like
from jobqueue.cli.commands import joining
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import for_each
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.output import Column, Screen, screen
from jobqueue.cli.views.text import lines, one_line, pairs, state_of
from jobqueue.client import Client

_COLUMNS = (
    Column("HOSTNAME", whole=True),
    Column("STATUS", whole=True),
    Column("STATE", whole=True),
    Column("RUNNING", whole=True, right=True),
    Column("QUEUED", whole=True, right=True),
    Column("LOAD", whole=True, right=True),
    Column("HEARTBEAT", whole=True),
    Column("LABELS"),
    Column("CONDITIONS"),
)
_hostnames = click.argument("hostnames", metavar="HOSTNAME...", nargs=-1, required=True, shell_complete=hostnames_like)


@click.group(cls=ClientGroup)
def agent() -> None:
    """See the hosts that run jobs, and take them out of service."""


agent.add_command(joining.bundle)
agent.add_command(joining.join)


@agent.command("list")
@json_option
def list_agents(as_json: bool) -> None:
    """List all agents."""
    with connect() as client:
        found = client.agents()
    out = screen()
    if as_json:
        out.json(found)
    else:
        out.table(_COLUMNS, [_row(out, item) for item in found["agents"]])


@agent.command()
@click.argument("hostname", shell_complete=hostnames_like)
@json_option
def get(hostname: str, as_json: bool) -> None:
    """Show one agent: its state, load, labels, facts and operations."""
    with connect() as client:
        found = client.agent(hostname)
    out = screen()
    if as_json:
        out.json(found)
    else:
        _show(out, found)


@agent.command()
@_hostnames
@json_option
def drain(hostnames: Sequence[str], as_json: bool) -> None:
    """Give agents no new work; what runs there may finish."""
    for_each(hostnames, Client.drain, _describe, as_json=as_json)


@agent.command()
@_hostnames
@json_option
def undrain(hostnames: Sequence[str], as_json: bool) -> None:
    """Give agents work again."""
    for_each(hostnames, Client.undrain, _describe, as_json=as_json)


@agent.command()
@click.option("--hostname", default="", help="The only host that may use the token; default: any.")
@click.option("--seconds", type=click.IntRange(1), default=3600, show_default=True, help="How long it counts.")
def invite(hostname: str, seconds: int) -> None:
    """Create a one-time token that admits a new agent.

    Start the agent with the token in JOBQUEUE_JOIN_TOKEN. It is shown only here.
    """
    with connect() as client:
        found = client.invite(hostname, seconds)
    click.echo(one_line(found["token"]))
    click.echo(f"It counts once, until {one_line(found['expires_at'])}.", err=True)


@agent.command()
@click.argument("hostname")
@click.argument("fingerprint")
def accept(hostname: str, fingerprint: str) -> None:
    """Let a pending agent in; FINGERPRINT must come from the agent's own log."""
    with connect() as client:
        click.echo(one_line(client.accept(hostname, fingerprint)["message"]))


@agent.command()
@_hostnames
@json_option
def revoke(hostnames: Sequence[str], as_json: bool) -> None:
    """Revoke agents: they get no work and their results are not trusted; accept reverses it."""
    for_each(hostnames, Client.revoke, _describe, as_json=as_json)


@agent.command()
@_hostnames
@json_option
def remove(hostnames: Sequence[str], as_json: bool) -> None:
    """Forget agents that are offline and have nothing to do; one that starts again registers anew."""

    def forget(client: Client, hostname: str) -> dict[str, Any]:
        client.remove_agent(hostname)
        return {"hostname": hostname, "removed": True}

    for_each(hostnames, forget, lambda found: f"{one_line(found['hostname'])}  removed", as_json=as_json)


def _row(out: Screen, found: Mapping[str, Any]) -> list[Any]:
    load = found.get("load")
    return [
        found.get("hostname"),
        found.get("status"),
        state_of(found),
        found.get("running"),
        found.get("queue_length"),
        load[0] if isinstance(load, list) and load else None,
        out.when(found.get("last_heartbeat")),
        pairs(found.get("labels") or {}),
        " ".join(str(name) for name in found.get("conditions") or ()),
    ]


def _show(out: Screen, found: Mapping[str, Any]) -> None:
    """Everything that the API says of the agent: what fits a line first, then the rest under its name."""
    labels = pairs(found["labels"]) if found.get("labels") else None
    simple = {name: value for name, value in found.items() if name != "labels" and _fits_a_line(value)}
    out.fields([*((_title(name), _joined(value)) for name, value in simple.items()), ("Labels", labels)])
    for name, value in found.items():
        if name != "labels" and name not in simple and value:
            out.heading(_title(name))
            for line in lines(value):
                out.line(f"  {line}")


def _fits_a_line(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value)
    return not isinstance(value, dict)


def _joined(value: Any) -> Any:
    return ", ".join(one_line(item) for item in value) if isinstance(value, list) else value


def _title(name: str) -> str:
    return one_line(name).replace("_", " ").capitalize()


def _describe(found: Mapping[str, Any]) -> str:
    return f"{one_line(found.get('hostname'))}  {one_line(found.get('state'))}"
