"""``jobqueue agent``: the hosts that run jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click

from jobqueue.cli import draining
from jobqueue.cli.candidates import hostnames_like
from jobqueue.cli.commands import joining
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import for_each
from jobqueue.cli.parameters import json_option, yes_option
from jobqueue.cli.sorting import AGENTS, ordered, sort_option
from jobqueue.cli.views.agent_figures import agent_figures, conditions
from jobqueue.cli.views.missing_cells import complain_of_missing_cells
from jobqueue.cli.views.output import Column, Screen, complain, screen
from jobqueue.cli.views.text import lines, one_line, pairs
from jobqueue.client import Client
from jobqueue.model.agent import AgentState
from jobqueue.model.agent_filter import DEFAULT_LIMIT, MAX_LIMIT

_COLUMNS = (
    Column("HOSTNAME", uncut=True),
    Column("STATUS", uncut=True),
    Column("STATE", uncut=True),
    Column("RUNNING", uncut=True, right=True),
    Column("QUEUED", uncut=True, right=True),
    Column("LOAD", uncut=True, right=True),
    Column("HEARTBEAT", uncut=True),
    Column("LABELS"),
    Column("CONDITIONS"),
)
_STATES = (*(state.value for state in AgentState), "live", "offline")
_hostnames = click.argument("hostnames", metavar="HOSTNAME...", nargs=-1, required=True, shell_complete=hostnames_like)


@click.group(cls=ClientGroup, old_names={"get": "show", "remove": "delete"})
def agent() -> None:
    """List the agents, and take them in and out of service."""


agent.add_command(joining.bundle)
agent.add_command(joining.join)


@agent.command("list")
@click.option(
    "--label", "labels", metavar="KEY:VALUE", multiple=True, help="Only agents with this label, or with all of several."
)
@click.option("--state", metavar="STATE[,STATE...]", help=f"Agents in one of these states: {', '.join(_STATES)}.")
@click.option("--hostname", metavar="PATTERN", help="Agents with this hostname; * stands for any characters.")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), help=f"Maximum number of agents; default {DEFAULT_LIMIT}.")
@click.option("--cursor", help="The next_cursor of the previous page.")
@click.option("--all", "everything", is_flag=True, help="All matching agents instead of one page.")
@click.option("--view", type=click.Choice(["full", "summary"]), help="With --json: how much detail of each agent.")
@sort_option(AGENTS, "by hostname")
@json_option
def list_agents(
    *, cursor: str | None, everything: bool, view: str | None, sort: str | None, as_json: bool, **query: Any
) -> None:
    """List agents by hostname."""
    if everything and cursor is not None:
        raise click.UsageError("--all shows all agents; it takes no --cursor.")
    query["view"] = view if as_json else "summary"
    with connect() as client:
        if everything:
            first, *more = client.iter_agent_pages(**query)
            first["agents"] += [item for page in more for item in page["agents"]]
            first["next_cursor"] = None
        else:
            first = client.agents(cursor=cursor, **query)
    complain_of_missing_cells(first)
    first["agents"] = ordered(first["agents"], AGENTS, sort)
    out = screen()
    if as_json:
        out.json(first)
        return
    out.table(_COLUMNS, [_row(out, item) for item in first["agents"]], empty="No agents.")
    if first.get("next_cursor"):
        of = f"{'at least ' if first.get('is_least') else ''}{first['total']}"
        complain(f"These are {len(first['agents'])} of {of} agents; --all shows all.")


@agent.command()
@click.argument("hostname", shell_complete=hostnames_like)
@json_option
def show(hostname: str, as_json: bool) -> None:
    """Show one agent: its state, load, labels, facts and operations."""
    with connect() as client:
        agent = client.agent(hostname)
    out = screen()
    if as_json:
        out.json(agent)
    else:
        _show(out, agent)


@agent.command()
@draining.hosts_options
@click.option("--reason", default="", help="Why; shown with the agents until they are undrained.")
@yes_option
@json_option
def drain(*, hostnames: Sequence[str], targets: Sequence[str], reason: str, yes: bool, as_json: bool) -> None:
    """Send agents no new work; running executions may finish.

    With --on, agents that drain already are left unchanged, and more than one host needs a confirmation or --yes.
    """
    if targets:
        draining.move_hosts(
            hostnames, targets, partial(Client.drain_hosts, reason=reason), "Drain", yes=yes, as_json=as_json
        )
    elif hostnames:
        for_each(hostnames, partial(Client.drain, reason=reason), _describe, as_json=as_json)
    else:
        raise click.UsageError("Name the hosts, or a target with --on.")


@agent.command()
@draining.hosts_options
@yes_option
@json_option
def undrain(*, hostnames: Sequence[str], targets: Sequence[str], yes: bool, as_json: bool) -> None:
    """Send agents work again; with --on, those that take work already are left unchanged."""
    if targets:
        draining.move_hosts(hostnames, targets, Client.undrain_hosts, "Undrain", yes=yes, as_json=as_json)
    elif hostnames:
        for_each(hostnames, Client.undrain, _describe, as_json=as_json)
    else:
        raise click.UsageError("Name the hosts, or a target with --on.")


@agent.command()
@click.option("--hostname", default="", help="The only host that may use the token; default: any.")
@click.option("--seconds", type=click.IntRange(1), default=3600, show_default=True, help="How long it is valid.")
def invite(hostname: str, seconds: int) -> None:
    """Create a one-time token that admits a new agent.

    Start the agent with the token in JOBQUEUE_JOIN_TOKEN. It is shown only here.
    """
    with connect() as client:
        invitation = client.invite(hostname, seconds)
    click.echo(one_line(invitation["token"]))
    click.echo(f"It can be used once, until {one_line(invitation['expires_at'])}.", err=True)


@agent.command()
@click.argument("hostname")
@click.argument("fingerprint")
def accept(hostname: str, fingerprint: str) -> None:
    """Accept a pending agent; FINGERPRINT must come from the agent's own log."""
    with connect() as client:
        click.echo(one_line(client.accept(hostname, fingerprint)["message"]))


@agent.command()
@_hostnames
@json_option
def revoke(hostnames: Sequence[str], as_json: bool) -> None:
    """Revoke agents: they get no work, their results are not trusted, and their Redis users are removed.

    To accept an agent again, run `agent accept`; it also needs a new Redis user, which a new bundle creates.
    """

    def describe(agent: Mapping[str, Any]) -> str:
        user = agent.get("redis_user")
        return f"{_describe(agent)}  {one_line(user['note'])}" if isinstance(user, Mapping) else _describe(agent)

    for_each(hostnames, Client.revoke, describe, as_json=as_json)


@agent.command()
@_hostnames
@json_option
def delete(hostnames: Sequence[str], as_json: bool) -> None:
    """Delete agents that are offline and have no pending work; an agent that starts again registers again."""

    def forget(client: Client, hostname: str) -> dict[str, Any]:
        client.remove_agent(hostname)
        return {"hostname": hostname, "removed": True}

    for_each(hostnames, forget, lambda done: f"{one_line(done['hostname'])}  deleted", as_json=as_json)


def _row(out: Screen, agent: Mapping[str, Any]) -> list[Any]:
    return [
        *agent_figures(agent),
        out.when(agent.get("last_heartbeat")),
        pairs(agent.get("labels") or {}),
        " ".join([conditions(agent), *_drained(agent)]).strip(),
    ]


def _drained(agent: Mapping[str, Any]) -> list[str]:
    """Why the agent was drained, if a reason was given."""
    return [f"drained: {agent['drain_reason']}"] if agent.get("drain_reason") else []


def _show(out: Screen, agent: Mapping[str, Any]) -> None:
    """All fields of the agent: those that fit on a line first, then the others, each under its name."""
    labels = pairs(agent["labels"]) if agent.get("labels") else None
    simple = {name: value for name, value in agent.items() if name != "labels" and _fits_a_line(value)}
    out.fields([*((_title(name), _joined(value)) for name, value in simple.items()), ("Labels", labels)])
    for name, value in agent.items():
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


def _describe(agent: Mapping[str, Any]) -> str:
    return f"{one_line(agent.get('hostname'))}  {one_line(agent.get('state'))}"
