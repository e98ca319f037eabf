"""Jobs in answers. Never walked by marshmallow; a test compares the real answers with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.concurrency_schemas import CONCURRENCY
from api.native.fields import about
from api.native.job_query_schemas import STATUSES
from api.native.pause_schemas import PausedBy
from api.native.rollout_schemas import ApprovalAnswer, RolloutAnswer
from jobqueue.model.job_fields import SHOWN, JobField, Kind
from jobqueue.model.states import ExecutionState
from jobqueue.services.result_verifier import FORGED, REVOKED, UNSIGNED


class OperationAnswer(ma.Schema):
    """The operation of a job and its data."""

    type = fields.String(required=True)
    data = fields.Dict(required=True)


class ResponseAnswer(ma.Schema):
    """The answer of one agent."""

    status = fields.String(required=True)
    data = fields.Raw(required=True, allow_none=True)
    changed = fields.Boolean(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    hostname = fields.String(required=True)
    details = fields.Dict(metadata=about("Details of the failure, if the operation gives more than its error."))
    authenticity = fields.String(
        validate=validate.OneOf([UNSIGNED, FORGED, REVOKED]),
        metadata=about(
            "Present only if the named agent did not sign this answer, or was revoked since. Not checked in lists."
        ),
    )


class AgentStateAnswer(ma.Schema):
    """The progress of one agent."""

    status = fields.String(required=True, validate=validate.OneOf([state.value for state in ExecutionState]))
    error = fields.String(required=True, allow_none=True)
    duration = fields.String(required=True, allow_none=True, metadata=about('As in "45ms", "1.5s", "1m0s".'))
    info = fields.Dict(metadata=about("Details that the operation reports about its run."))
    held_by = fields.String(
        metadata=about("While it is held: rollout, pause, concurrency, rate, or opening (of a large job, for a while).")
    )


class TimelineEvent(ma.Schema):
    """One step in a job's life."""

    timestamp = fields.DateTime(required=True)
    event = fields.String(required=True, metadata=about("submitted, acknowledged, started, completed, ..."))
    hostname = fields.String(required=True, metadata=about("The agent, or _api, or _maintenance."))
    message = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)


class RetriesAnswer(ma.Schema):
    """The job's retry policy."""

    max_attempts = fields.Integer(required=True)
    backoff_seconds = fields.Float(required=True)
    backoff_max_seconds = fields.Float(required=True)
    jitter = fields.Float(required=True)


#: The field of an answer for each kind of a job's fields, by its options.
_OF_KIND: dict[Kind, Callable[..., ma.fields.Field[Any]]] = {
    Kind.TEXT: fields.String,
    Kind.NUMBER: fields.Float,
    Kind.DIGIT: fields.Integer,
    Kind.TIME: fields.DateTime,
    Kind.PAIRS: partial(fields.Dict, keys=fields.String(), values=fields.String()),
    Kind.OBJECT: fields.Dict,
    Kind.POLICY: partial(fields.Nested, RetriesAnswer),
    Kind.ROLLOUT: fields.Dict,
    Kind.CONCURRENCY: fields.Dict,
}
#: The fields whose answers say more than their kinds.
_OF_NAME: dict[str, Callable[..., ma.fields.Field[Any]]] = {
    "retry_of": fields.UUID,
    "approval": partial(fields.Nested, ApprovalAnswer),
}


def answer_field(field: JobField, *, may_be_null: bool, **metadata: Any) -> ma.fields.Field[Any]:
    """The field of an answer that shows a field of a job."""
    make = _OF_NAME.get(field.name, _OF_KIND[field.kind])
    return make(required=True, **({"allow_none": True} if may_be_null else {}), metadata=metadata)


def _shown(field: JobField) -> ma.fields.Field[Any]:
    metadata: dict[str, Any] = about(field.answer_text) if field.answer_text else {}
    if field.kind is Kind.CONCURRENCY:
        metadata |= {"properties": CONCURRENCY["properties"]}
    return answer_field(field, may_be_null=field.default is None, **metadata)


class JobSummaryAnswer(ma.Schema):
    """A job, without the fields that can be large for a broadcast."""

    class Meta:
        include = {field.shown_as: _shown(field) for field in SHOWN}  # noqa: RUF012

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    created = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)
    operation = fields.Nested(OperationAnswer, required=True)
    result = fields.Raw(required=True, allow_none=True, metadata=about("The answer of a job for one agent."))
    changed = fields.Boolean(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    hostname = fields.String(required=True, metadata=about("The agent that answered; empty before one has."))
    attempts = fields.Integer(required=True)
    expected_agents = fields.List(fields.String(), required=True)
    retried_as = fields.List(fields.UUID(), required=True)
    cancel_requested = fields.Boolean(required=True)
    execution_counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("All executions, by state.")
    )
    executions_left_out = fields.Integer(
        required=True,
        metadata=about("Executions that this answer leaves out; what follows from executions is without them."),
    )
    executions_url = fields.String(required=True, metadata=about("Where all executions are listed, page by page."))
    rollout = fields.Nested(RolloutAnswer, required=True, allow_none=True)


class JobAnswer(JobSummaryAnswer):
    """A job, with its first 1,000 executions."""

    responses = fields.Dict(keys=fields.String(), values=fields.Nested(ResponseAnswer), required=True)
    agent_states = fields.Dict(keys=fields.String(), values=fields.Nested(AgentStateAnswer), required=True)
    timeline = fields.List(fields.Nested(TimelineEvent), required=True)


class JobDetailsAnswer(JobAnswer):
    """A job, with its first 1,000 executions and what keeps them from starting."""

    paused_by = fields.List(
        fields.Nested(PausedBy),
        metadata=about("The pauses that keep executions of it from starting; left out if there are none."),
    )


class ListedJob(JobSummaryAnswer):
    """A job in a list, with its first 50 executions; view=summary leaves out the last three fields."""

    responses = fields.Dict(keys=fields.String(), values=fields.Nested(ResponseAnswer))
    agent_states = fields.Dict(keys=fields.String(), values=fields.Nested(AgentStateAnswer))
    timeline = fields.List(fields.Nested(TimelineEvent))


class JobListAnswer(ma.Schema):
    """One page of jobs, newest first."""

    total_items = fields.Integer(required=True, metadata=about("Number of jobs that match the filter."))
    is_least = fields.Boolean(
        required=True,
        metadata=about(
            "Whether more jobs than total_items may match: a filter by several fields examines a bounded number of jobs"
            " per request. The page may then have fewer jobs than limit although next_cursor continues it."
        ),
    )
    status_counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("All jobs, by status.")
    )
    items = fields.List(fields.Nested(ListedJob), required=True)
    cursors = fields.List(fields.String(), metadata=about("With cursors=true: the cursor after each item."))
    next_cursor = fields.String(required=True, allow_none=True, metadata=about("null on the last page."))
