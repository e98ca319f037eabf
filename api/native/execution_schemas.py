"""The shapes of pages of executions: what the query must be (enforced) and what answers are (documented)."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import Names, QueryWhole, Text, about, between, length
from api.native.job_schemas import AgentStateAnswer, ResponseAnswer
from api.validation import StrictSchema
from jobqueue.model.execution_page import DEFAULT_GROUPS, DEFAULT_LIMIT, MAX_GROUPS, MAX_LIMIT
from jobqueue.model.states import ExecutionState, JobStatus

_STATES = [state.value for state in ExecutionState]


class ExecutionQuery(StrictSchema):
    """Which executions of a job to list."""

    state: fields.String = Names(
        ExecutionState,
        metadata=about(
            "Only executions in this state, or in several separated by commas.",
            pattern=f"^({'|'.join(_STATES)})(,({'|'.join(_STATES)}))*$",
        ),
    )
    group = Text(
        validate=validate.OneOf(["answer"], error="Must be one of {choices}."),
        metadata=about("answer puts executions in one state with equal answers together."),
    )
    limit = QueryWhole(
        validate=between(1, MAX_LIMIT),
        metadata=about(
            f"Maximum number of executions on a page; default {DEFAULT_LIMIT}; with group, of groups, by default "
            f"{DEFAULT_GROUPS} and at most {MAX_GROUPS}."
        ),
    )
    cursor = Text(
        validate=length(1, 300),
        metadata=about("The next_cursor of the previous page, with the same filters."),
    )


class ExecutionAnswer(AgentStateAnswer):
    """The share of one agent in a job."""

    hostname = fields.String(required=True, metadata=about("_any until an agent has claimed it."))
    attempt = fields.Integer(required=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    data = fields.Raw(required=True, allow_none=True)
    changed = fields.Boolean(required=True, allow_none=True)
    details = fields.Dict(metadata=about("How it failed, where the operation says more than its error."))
    authenticity = fields.String(metadata=about("As in the responses of a job."))


class AnswerGroupAnswer(ResponseAnswer):
    """Executions in one state with equal answers."""

    class Meta:
        exclude = ("hostname",)

    key = fields.String(required=True, metadata=about("Equal answers on other pages have the same key."))
    count = fields.Integer(required=True)
    hostnames = fields.List(fields.String(), required=True, metadata=about("The first hundred."))
    hostnames_left_out = fields.Integer(required=True)


class ExecutionListAnswer(ma.Schema):
    """One page of a job's executions: `items`, or with `group=answer` `groups` and `is_least`."""

    job_id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf([status.value for status in JobStatus]))
    execution_counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("Executions by state.")
    )
    total = fields.Integer(required=True, metadata=about("Executions that match, on all pages."))
    items = fields.List(fields.Nested(ExecutionAnswer))
    groups = fields.List(fields.Nested(AnswerGroupAnswer), metadata=about("Failures first, then large groups."))
    is_least = fields.Boolean(
        metadata=about("The groups may be larger: this page does not cover all executions that match.")
    )
    next_cursor = fields.String(required=True, allow_none=True)
