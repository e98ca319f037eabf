"""/agent: the agents that are known, and how they are."""

from __future__ import annotations

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import mapping
from api.native.schemas import AgentAnswer, AgentListAnswer, AgentMoved, ErrorAnswer
from api.responses import json_response
from jobqueue.model.target import check_hostname

blueprint = Blueprint("agent", __name__, description="Agents: the workers on the hosts.")

_HOSTNAME = {"in": "path", "name": "hostname", "required": True, "schema": {"type": "string", "maxLength": 253}}


@blueprint.route("/agent", methods=["GET"])
@blueprint.response(200, AgentListAnswer)
@blueprint.doc(operationId="listAgents")
def list_agents() -> Response:
    """List all agents, live or not"""
    agents = [mapping.agent(agent) for agent in services().agents()]
    return json_response({"agents": agents, "total": len(agents)})


@blueprint.route("/agent/<hostname>", methods=["GET"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.doc(operationId="getAgent")
def get_agent(hostname: str) -> Response:
    """Get one agent"""
    return json_response(mapping.agent(services().agent(check_hostname(hostname))))


@blueprint.route("/agent/<hostname>/drain", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentMoved)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent drains or is cordoned already.")
@blueprint.doc(operationId="drainAgent")
def drain_agent(hostname: str) -> Response:
    """Give an agent no new work

    What runs may finish; then the agent is Cordoned.
    """
    found = services().drain(check_hostname(hostname))
    return json_response({"message": f"Agent {found.hostname} takes no new work.", **mapping.agent(found)})


@blueprint.route("/agent/<hostname>/undrain", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentMoved)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent takes work already.")
@blueprint.doc(operationId="undrainAgent")
def undrain_agent(hostname: str) -> Response:
    """Give a drained agent work again"""
    found = services().undrain(check_hostname(hostname))
    return json_response({"message": f"Agent {found.hostname} takes work again.", **mapping.agent(found)})
