"""Agents, and requests about them."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import Line, about, length
from api.validation import StrictSchema
from jobqueue.model.agent import MAX_REASON


class AgentStep(ma.Schema):
    """A state of an agent, and since when."""

    timestamp = fields.DateTime(required=True)
    state = fields.String(required=True)


class AgentAnswer(ma.Schema):
    """An agent, as it last reported."""

    hostname = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["live", "offline"]))
    state = fields.String(required=True, metadata=about("Pending, Ready, Draining, Cordoned or Revoked."))
    labels = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    facts = fields.Dict(required=True)
    load = fields.List(  # type: ignore[assignment]
        fields.Float(), required=True, metadata=about("Averages over 1, 5 and 15 minutes.")
    )
    memory = fields.Dict(required=True, metadata=about("total and available in bytes, percent in use."))
    running = fields.Integer(required=True, metadata=about("Executions running now."))
    queue_length = fields.Integer(required=True, metadata=about("Executions waiting for this agent."))
    concurrency = fields.Integer(required=True)
    last_heartbeat = fields.DateTime(required=True, allow_none=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    version = fields.String(required=True)
    operations = fields.List(fields.String(), required=True)
    conditions = fields.List(fields.String(), required=True, metadata=about("MemoryPressure, HighLoad, DiskPressure."))
    fingerprint = fields.String(required=True, allow_none=True, metadata=about("SHA-256 of the agent's own key."))
    timeline = fields.List(fields.Nested(AgentStep), required=True, metadata=about("Its newest states, oldest first."))
    drain_reason = fields.String(metadata=about("Why it was drained; left out without a reason."))


class DrainRequest(StrictSchema):
    """Why an agent is drained."""

    reason = Line(
        load_default="",
        validate=length(0, MAX_REASON),
        metadata=about("Shown with the agent until it is undrained, and kept in the audit trail.", example="new disk"),
    )


class AgentMoved(AgentAnswer):
    """An agent that was drained or undrained, as it is now."""

    message = fields.String(required=True)


class RemovedRedisUser(ma.Schema):
    """The outcome of removing an agent's Redis user."""

    name = fields.String(required=True)
    removed = fields.Boolean(required=True)
    note = fields.String(required=True, metadata={"description": "What was done, or what must be done by hand."})


class AgentRevoked(AgentMoved):
    """An agent that was revoked, as it is now."""

    redis_user = fields.Nested(RemovedRedisUser, required=True)


class AcceptRequest(ma.Schema):
    """The agent to accept."""

    fingerprint = fields.String(
        required=True,
        validate=validate.Regexp(
            r"[0-9A-Fa-f:]{64,95}\Z", error="Must be the SHA-256 of the agent's key: 64 hex digits."
        ),
        metadata=about("As the agent's log shows it."),
    )


class InvitationRequest(ma.Schema):
    """For whom a token is, and for how long."""

    hostname = fields.String(
        load_default="", validate=validate.Length(max=253), metadata=about("The only host that may use it.")
    )
    seconds = fields.Integer(
        load_default=3600,
        strict=True,
        validate=validate.Range(1, 30 * 86_400),
        metadata=about("How long it is valid."),
    )


class InvitationAnswer(ma.Schema):
    """A token for one agent."""

    token = fields.String(required=True, metadata=about("For JOBQUEUE_JOIN_TOKEN; shown only here."))
    expires_at = fields.DateTime(required=True)
    hostname = fields.String(required=True, allow_none=True)


class ListedAgent(AgentAnswer):
    """An agent in a list; view=summary leaves out facts, operations, memory and timeline."""

    facts = fields.Dict()
    memory = fields.Dict()
    operations = fields.List(fields.String())
    timeline = fields.List(fields.Nested(AgentStep))


class AgentListAnswer(ma.Schema):
    """One page of the agents that are known, live or not."""

    agents = fields.List(fields.Nested(ListedAgent), required=True)
    total = fields.Integer(required=True, metadata=about("How many agents match, on all pages."))
    is_least = fields.Boolean(
        required=True, metadata=about("There may be more: only the first 20,000 hostnames were examined.")
    )
    next_cursor = fields.String(required=True, allow_none=True)
