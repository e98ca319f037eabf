"""/api/agent: the agents, in OSAPI's shape."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from api import validation
from api.blueprint import read_query
from api.context import principal, services
from api.native import agent_query, list_cursor
from api.native.agent_query import AgentQuery
from api.native.fields import Text, length
from api.osapi import agent_mapping
from api.responses import json_response
from api.validation import StrictSchema
from jobqueue.errors import Conflict, NotFound
from jobqueue.model.agent import AgentState
from jobqueue.model.agent_filter import AgentFilter
from jobqueue.model.target import check_hostname
from jobqueue.trust.signing.certificate import fingerprint_of

blueprint = Blueprint("osapi_agent", __name__, url_prefix="/api/agent")


class _AcceptQuery(StrictSchema):
    fingerprint = Text(validate=length(1, 200))


_agent_query, _accept_query = AgentQuery(), _AcceptQuery()


@blueprint.get("")
def list_agents() -> Response:
    """List agents by hostname

    At most 1,000 on a page; takes the parameters of the native `GET /agent`.
    """
    loaded = validation.load(_agent_query, read_query(AgentQuery.repeated))
    agent_filter, of = agent_query.agent_filter(loaded, request.args.getlist("label"))
    page = services().agents.page(agent_filter)
    document: dict[str, Any] = {"agents": [agent_mapping.agent(agent) for agent in page.items], "total": page.total}
    if page.next_after is not None:
        document["next_cursor"] = list_cursor.show(page.next_after, *of)
    return json_response(document)


@blueprint.get("/<hostname>")
def get_agent(hostname: str) -> Response:
    """Get one agent"""
    return json_response(agent_mapping.agent(services().agents.get(check_hostname(hostname))))


@blueprint.get("/pending")
def list_pending() -> Response:
    """List agents that wait to be accepted, at most 1,000"""
    page = services().agents.page(AgentFilter(states=(AgentState.PENDING,)))
    return json_response({"agents": [agent_mapping.pending(agent) for agent in page.items], "total": page.total})


@blueprint.post("/<hostname>/accept")
def accept_agent(hostname: str) -> Response:
    """Accept a pending agent

    With the parameter `fingerprint`, only if this is that of its key; compare it with the one in the agent's log.
    """
    fingerprint: str | None = validation.load(_accept_query, read_query()).get("fingerprint")
    agent = services().agents.get(check_hostname(hostname))
    if agent.state not in (AgentState.PENDING, AgentState.REVOKED):
        raise NotFound(f"No pending agent has the hostname {hostname}: it is {agent.state.value}.")
    fingerprint = fingerprint or fingerprint_of(agent.public_key)
    if not fingerprint:
        raise Conflict(f"Agent {hostname} has presented no valid key, so it cannot be accepted.")
    accepted = services().enrolment.accept(hostname, fingerprint, principal().name)
    return json_response({"message": f"Agent {accepted.hostname} is accepted."})


@blueprint.post("/<hostname>/reject")
def reject_agent(hostname: str) -> Response:
    """Reject a pending agent that has stopped

    One that still runs would ask again a moment later: stop it on its host first.
    """
    agent = services().agents.get(check_hostname(hostname))
    if agent.state is not AgentState.PENDING:
        raise NotFound(f"No pending agent has the hostname {hostname}: it is {agent.state.value}.")
    if agent.live:
        raise Conflict(f"Agent {hostname} still runs and would ask again: stop it on its host, then reject it.")
    services().agents.forget(hostname)
    return json_response({"message": f"Agent {hostname} is rejected."})


@blueprint.post("/<hostname>/drain")
def drain_agent(hostname: str) -> Response:
    """Drain an agent"""
    services().agents.drain(check_hostname(hostname))
    return json_response({"message": f"Agent {hostname} takes no new work."})


@blueprint.post("/<hostname>/undrain")
def undrain_agent(hostname: str) -> Response:
    """Undrain an agent"""
    services().agents.undrain(check_hostname(hostname))
    return json_response({"message": f"Agent {hostname} takes work again."})
