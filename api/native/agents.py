"""/agent: the agents that are known, and how they are."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import agent_query, list_cursor, mapping
from api.native.agent_query import AgentQuery
from api.native.agent_schemas import (
    AcceptRequest,
    AgentAnswer,
    AgentListAnswer,
    AgentMoved,
    AgentRevoked,
    DrainRequest,
    InvitationAnswer,
    InvitationRequest,
)
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response
from jobqueue.model.target import check_hostname
from jobqueue.model.timestamps import to_iso

blueprint = Blueprint("agent", __name__, description="Agents: the workers on the hosts.")

_HOSTNAME = {"in": "path", "name": "hostname", "required": True, "schema": {"type": "string", "maxLength": 253}}


@blueprint.route("/agent", methods=["GET"])
@blueprint.arguments(AgentQuery, location="query")
@blueprint.response(200, AgentListAnswer)
@blueprint.doc(operationId="listAgents")
def list_agents(loaded: dict[str, Any]) -> Response:
    """List agents by hostname, live or not

    At most 1,000 on a page; `next_cursor` is null at the end.
    """
    agent_filter, of = agent_query.agent_filter(loaded, request.args.getlist("label"))
    page = services().agents.page(agent_filter)
    summary = loaded["view"] == "summary"
    return json_response(
        {
            "agents": [mapping.agent_summary(agent) if summary else mapping.agent(agent) for agent in page.items],
            "total": page.total,
            "is_least": page.is_least,
            "next_cursor": None if page.next_after is None else list_cursor.show(page.next_after, *of),
        }
    )


@blueprint.route("/agent/<hostname>", methods=["GET"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.doc(operationId="getAgent")
def get_agent(hostname: str) -> Response:
    """Get one agent"""
    return json_response(mapping.agent(services().agents.get(check_hostname(hostname))))


@blueprint.route("/agent/<hostname>", methods=["DELETE"], parameters=[_HOSTNAME])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent is live, or work waits for it.")
@blueprint.doc(operationId="removeAgent")
def remove_agent(hostname: str) -> Response:
    """Forget an agent that is offline

    Its jobs and answers stay, and so does its revocation, if it was revoked. If it starts again, it registers again.
    """
    services().agents.forget(check_hostname(hostname))
    return Response(status=204)


@blueprint.route("/agent/<hostname>/drain", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.arguments(DrainRequest, required=False)
@blueprint.response(200, AgentMoved)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent drains or is cordoned already.")
@blueprint.doc(operationId="drainAgent")
def drain_agent(loaded: dict[str, Any], hostname: str) -> Response:
    """Drain an agent

    Running executions may finish; then the agent is Cordoned.
    """
    if loaded["reason"]:
        audit.note(reason=loaded["reason"])
    services().agents.drain(check_hostname(hostname), loaded["reason"])
    agent = services().agents.get(hostname)
    return json_response({"message": f"Agent {agent.hostname} takes no new work.", **mapping.agent(agent)})


@blueprint.route("/agent/<hostname>/undrain", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentMoved)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent takes work already.")
@blueprint.doc(operationId="undrainAgent")
def undrain_agent(hostname: str) -> Response:
    """Undrain an agent"""
    services().agents.undrain(check_hostname(hostname))
    agent = services().agents.get(hostname)
    return json_response({"message": f"Agent {agent.hostname} takes work again.", **mapping.agent(agent)})


@blueprint.route("/agent/invite", methods=["POST"])
@blueprint.arguments(InvitationRequest, required=False)
@blueprint.response(201, InvitationAnswer)
@blueprint.alt_response(400, schema=ErrorAnswer, description="The hostname or the validity period is invalid.")
@blueprint.doc(operationId="inviteAgent")
def invite_agent(loaded: dict[str, Any]) -> Response:
    """Make a one-time token for a new agent

    It is shown once. Give it to the agent as JOBQUEUE_JOIN_TOKEN.
    """
    audit.write_first(201)
    token, expires = services().enrolment.invite(loaded["hostname"], loaded["seconds"])
    return json_response({"token": token, "expires_at": to_iso(expires), "hostname": loaded["hostname"] or None}, 201)


@blueprint.route("/agent/<hostname>/accept", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.arguments(AcceptRequest)
@blueprint.response(200, AgentMoved)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent has another fingerprint.")
@blueprint.doc(operationId="acceptAgent")
def accept_agent(loaded: dict[str, Any], hostname: str) -> Response:
    """Accept a pending agent

    The fingerprint is that of the agent's own key, as its log shows it. The agent takes work a moment later.
    """
    agent = services().enrolment.accept(check_hostname(hostname), loaded["fingerprint"], principal().name)
    return json_response({"message": f"Agent {agent.hostname} is accepted.", **mapping.agent(agent)})


@blueprint.route("/agent/<hostname>/revoke", methods=["POST"], parameters=[_HOSTNAME])
@blueprint.response(200, AgentRevoked)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No agent has this hostname.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The agent has not been accepted.")
@blueprint.doc(operationId="revokeAgent")
def revoke_agent(hostname: str) -> Response:
    """Take back that an agent was accepted

    It gets no further work, its running work is abandoned, and its results are shown as revoked. Its Redis user is
    removed if the API may do that; `redis_user.note` says what is left to do. To let the agent in again, accept it and
    give it a Redis user, or make a new bundle.
    """
    agent = services().enrolment.revoke(check_hostname(hostname), principal().name)
    redis_user = services().redis_access.take(agent.hostname)
    return json_response(
        {
            "message": f"Agent {agent.hostname} is revoked. {redis_user.note}",
            **mapping.agent(agent),
            "redis_user": {"name": redis_user.user, "removed": redis_user.is_removed, "note": redis_user.note},
        }
    )
