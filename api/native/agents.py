"""/agent: the agents that are known, and how they are."""

from __future__ import annotations

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import mapping
from api.native.schemas import AgentAnswer, AgentListAnswer, ErrorAnswer
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
