"""The shapes of rollouts in the native API."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields

from api.native.fields import Text, about, length
from api.validation import StrictSchema
from jobqueue.model.rollout import APPROVE, AUTO, CANCEL, MAX_HOSTS, MAX_SECONDS, STOP
from jobqueue.model.verification import DEFAULT_WITHIN_SECONDS, MAX_WITHIN_SECONDS

_HOSTS = {"type": "integer", "minimum": 1, "maximum": MAX_HOSTS}
_AMOUNT = {"oneOf": [_HOSTS, {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,2})?%$"}]}
_SECONDS = {"type": "number", "maximum": MAX_SECONDS}
#: The JSON Schema of each of the terms.
PROPERTIES: dict[str, Any] = {
    "canary": {**_HOSTS, "description": "Hosts of the first batch; a single failure among them stops the rollout."},
    "batch": {**_AMOUNT, "description": "Hosts of each further batch, or a share of them such as 10%."},
    "spread": {
        "type": "string",
        "description": "Key of a label, or a fact, whose values alternate in the order of the hosts.",
    },
    "max_failures": {
        **_AMOUNT,
        "default": 1,
        "description": "Once this many hosts have failed, expired or been lost, no further batch is opened.",
    },
    "pause_seconds": {**_SECONDS, "minimum": 0, "default": 0, "description": "Wait between two batches."},
    "between": {
        "type": "string",
        "enum": [AUTO, APPROVE],
        "default": AUTO,
        "description": "With approve, each further batch waits for POST /job/{job_id}/approve.",
    },
    "on_failure": {
        "type": "string",
        "enum": [STOP, CANCEL],
        "default": STOP,
        "description": "With cancel, a rollout that stops also cancels the executions that have been opened.",
    },
    "deadline_seconds": {**_SECONDS, "minimum": 1, "description": "After this time no execution starts."},
    "rate": {
        "type": "string",
        "pattern": r"^[1-9]\d{0,4}/[smh]$",
        "description": "At most this many executions start in any second (s), minute (m) or hour (h), such as 50/s.",
    },
    "verify": {
        "type": "object",
        "description": "An operation that each host runs after its run; a host that cannot verify it has failed.",
        "required": ["operation"],
        "additionalProperties": False,
        "properties": {
            "operation": {
                "type": "object",
                "required": ["type"],
                "additionalProperties": False,
                "properties": {"type": {"type": "string"}, "data": {"type": "object"}},
            },
            "within_seconds": {
                "type": "number",
                "minimum": 1,
                "maximum": MAX_WITHIN_SECONDS,
                "default": DEFAULT_WITHIN_SECONDS,
                "description": "It is repeated until it succeeds, at most for this time.",
            },
        },
    },
}
#: The JSON Schema of the terms as a whole.
ROLLOUT: dict[str, Any] = {
    "description": "Run on the hosts of a broadcast in batches, and stop at failures.",
    "properties": PROPERTIES,
    "example": {"canary": 1, "batch": "10%", "max_failures": 3},
}


class RolloutBatchAnswer(ma.Schema):
    """One batch of a rollout."""

    number = fields.Integer(required=True)
    state = fields.String(
        required=True,
        metadata={"description": "held, waiting (for its time), awaiting_approval, running, ended or cancelled."},
    )
    hosts = fields.Integer(required=True, metadata={"description": "Number of hosts."})
    first_hosts = fields.List(fields.String(), required=True, metadata={"description": "The first ten of them."})
    counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "Hosts by state."}
    )
    opened = fields.DateTime(required=True, allow_none=True)
    ended = fields.DateTime(required=True, allow_none=True)


class PlannedBatch(ma.Schema):
    """One batch that a rollout would have."""

    number = fields.Integer(required=True)
    is_canary = fields.Boolean(
        required=True, metadata=about("Whether a single failure in this batch stops the rollout.")
    )
    hosts = fields.Integer(required=True, metadata=about("Number of hosts."))
    hostnames = fields.List(fields.String(), required=True, metadata=about("These hosts, in their order."))


class RolloutAnswer(ma.Schema):
    """The progress of a rollout."""

    terms = fields.Dict(required=True, metadata={"properties": PROPERTIES})
    state = fields.String(
        required=True,
        metadata={"description": "running, waiting, awaiting_approval, paused, stopped or ended; empty: unknown."},
    )
    batches = fields.List(fields.Nested(RolloutBatchAnswer), required=True)
    stopped_because = fields.String(required=True, allow_none=True)
    paused = fields.Boolean(required=True)
    next_opens = fields.DateTime(required=True, allow_none=True)


class ApproveRequest(StrictSchema):
    """What is approved."""

    plan_hash = Text(
        validate=length(1, 64),
        metadata=about("The plan_hash of the job's approval; required while the job waits for its first approval."),
    )


class ApprovalAnswer(ma.Schema):
    """Why a job waits, or waited, for an approval before its first batch."""

    because = fields.String(required=True, metadata={"description": "Which limit it exceeds."})
    plan_hash = fields.String(required=True, metadata={"description": "Identifies the request and its hosts."})
    by = fields.String(required=True, metadata={"description": "Who submitted it, and so may not approve it."})
    makers = fields.List(
        fields.String(),
        metadata={"description": "Who may know the submitter's credentials, and so may not approve it either."},
    )
