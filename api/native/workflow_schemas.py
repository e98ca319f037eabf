"""The shapes of /workflow and /workflow-run."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import Data, Flag, Line, QueryFlag, QueryWhole, Text, Whole, about, between, length
from api.native.job_query_schemas import STATUSES
from api.native.job_request_schemas import MAX_IDEMPOTENCY_KEY, JobRequest, OperationRequest
from api.native.saved_schemas import PutAnswer, SavedJobRequest
from api.native.schedule_schemas import Duration
from api.validation import StrictSchema
from jobqueue.ledger.workflow_runs import MAX_PAGE as MAX_RUNS
from jobqueue.model.job_fields import MAX_DESCRIPTION, MAX_TITLE
from jobqueue.model.saved_job import MAX_PAGE
from jobqueue.model.workflow import ALWAYS, FAILURE, MAX_NODES, SUCCESS, WHEN
from jobqueue.model.workflow_run import NodeState
from jobqueue.operations.schema import Items
from jobqueue.schedules import times

_MOST_VERSION = 2**31
_SAVED = SavedJobRequest().fields
_JOB = JobRequest().fields
_STATES = [str(state) for state in NodeState]


class NodeRequest(JobRequest):
    """A node: the body of POST /job, or the name of a saved job; what it waits for; and when it runs."""

    class Meta(StrictSchema.Meta):
        # these belong to one run
        exclude = ("not_before", "expires_at", "plan_hash", "idempotency_key")

    name = Text(required=True, validate=length(1, 64), metadata=about("Unique in the workflow.", example="upgrade"))
    operation = fields.Nested(
        OperationRequest,
        error_messages={"null": "May not be null; give type and data, or leave it out and name a saved job."},
        metadata=about("What to run; or else a saved job."),
    )
    saved = Text(validate=length(1, 64), metadata=about("The name of a saved job to run instead of an operation."))
    parameters = Data(metadata=about("With saved: the values of its parameters, which may be templates.", example={}))
    needs = Items(
        Text(),
        load_default=list,
        validate=validate.Length(0, MAX_NODES, error="Must name at most {max} nodes."),
        error_messages={"invalid": "Must be a list of names of nodes."},
        metadata=about("Names of the nodes that must have ended before this one starts.", example=["drain"]),
    )
    when = Text(
        load_default=SUCCESS,
        validate=validate.OneOf(WHEN, error="Must be one of {choices}."),
        metadata=about(
            f"{SUCCESS}: all nodes in needs have completed; {FAILURE}: one of them has failed; {ALWAYS}: in any case.",
            default=SUCCESS,
        ),
    )
    ignore_failure = Flag(
        load_default=False,
        metadata=about("Whether a failure of the node counts as a success, for others and for the run.", default=False),
    )
    expires_after = Duration(
        times.SECOND,
        times.MAX_EVERY,
        metadata=about("Executions that have not started by then expire; offline hosts are waited for."),
    )


class WorkflowRequest(StrictSchema):
    """Nodes, each of which runs a job, and the parameters that fill in their templates."""

    title = Line(load_default="", validate=length(0, MAX_TITLE), metadata=about("A title, for lists."))
    description = Line(
        load_default="", validate=length(0, MAX_DESCRIPTION), metadata=about("The purpose of the workflow.")
    )
    nodes = Items(
        fields.Nested(NodeRequest),
        required=True,
        validate=validate.Length(1, MAX_NODES, error="Must have {min} to {max} nodes."),
        error_messages={"required": "Missing; it is required.", "invalid": "Must be a list of nodes."},
        metadata=about("The nodes, in any order."),
    )
    parameters = Data(load_default=dict, metadata=_SAVED["parameters"].metadata)
    run_by = _SAVED["run_by"]
    edit_by = _SAVED["edit_by"]
    managed_by = _SAVED["managed_by"]
    version = Whole(
        validate=between(0, _MOST_VERSION),
        metadata=about("The version that is changed, 0 for a new one; with another one stored: 409. Also as If-Match."),
    )


class WorkflowPutQuery(StrictSchema):
    """How to store a workflow."""

    dry_run = QueryFlag(load_default=False, metadata=about("Only validate it, and return what would change."))
    assume = QueryFlag(
        load_default=False, metadata=about("With dry_run: saved jobs that do not exist yet are not checked.")
    )


class WorkflowListQuery(StrictSchema):
    """Which workflows to list."""

    cursor = Text(load_default="", validate=length(0, 64), metadata=about("The next_cursor of the previous page."))
    limit = QueryWhole(
        load_default=100, validate=between(1, MAX_PAGE), metadata=about("Maximum number of workflows on a page.")
    )


class WorkflowQuery(StrictSchema):
    """Which version to read."""

    version = QueryWhole(
        validate=between(1, _MOST_VERSION), metadata=about("One of the kept versions; default: the newest.")
    )


class WorkflowRunRequest(StrictSchema):
    """The values of one run."""

    parameters = Data(load_default=dict, metadata=about("Values by the name of the parameter.", example={}))
    version = Whole(
        validate=between(1, _MOST_VERSION), metadata=about("Run only this version; if it is not the newest: 409.")
    )
    idempotency_key = Text(
        validate=_JOB["idempotency_key"].validate,
        metadata=about(
            f"At most {MAX_IDEMPOTENCY_KEY} characters. A second request of the same caller with this key returns the "
            "first run, as long as that is kept."
        ),
    )


class ScheduledWorkflowRequest(StrictSchema):
    """The runs of a schedule: a workflow, by its name, and the values of its parameters."""

    workflow = Text(required=True, validate=length(1, 64), metadata=about("The name of the workflow."))
    parameters = Data(load_default=dict, metadata=about("Values by the name of the parameter.", example={}))


class WorkflowRunListQuery(StrictSchema):
    """Which runs to list."""

    workflow = Text(validate=length(1, 64), metadata=about("Only the runs of this workflow."))
    cursor = Text(validate=length(1, 300), metadata=about("The next_cursor of the previous page."))
    limit = QueryWhole(
        load_default=20, validate=between(1, MAX_RUNS), metadata=about("Maximum number of runs on a page.")
    )


# --- answers ----------------------------------------------------------------------------------------------------------


class NodeAnswer(ma.Schema):
    """A node of a workflow. It has the options of POST /job that were given, too."""

    class Meta:
        unknown = ma.INCLUDE

    name = fields.String(required=True)
    needs = fields.List(fields.String(), required=True)
    when = fields.String(required=True, validate=validate.OneOf(WHEN))
    ignore_failure = fields.Boolean(required=True)
    expires_after = fields.String(metadata=about("How long its job waits for offline hosts."))
    operation = fields.Dict(metadata=about("type and data, unless it runs a saved job."))
    saved = fields.String(metadata=about("The name of the saved job that it runs."))
    parameters = fields.Dict(metadata=about("The values for the saved job."))
    target_hostname = fields.String(metadata=about("Its target."))


class WorkflowAnswer(ma.Schema):
    """A workflow."""

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    changed = fields.DateTime(required=True, metadata=about("When this version was stored."))
    changed_by = fields.String(required=True, metadata=about("Who stored this version."))
    managed_by = fields.String(required=True, metadata=about("The set of files that declares it, or empty."))
    title = fields.String(required=True)
    description = fields.String(required=True)
    nodes = fields.List(fields.Nested(NodeAnswer), required=True)
    parameters = fields.Dict(
        keys=fields.String(), values=fields.Dict(), required=True, metadata=about("JSON Schemas by name.")
    )
    run_by = fields.List(fields.String(), required=True)
    edit_by = fields.List(fields.String(), required=True)


class WorkflowListAnswer(ma.Schema):
    """One page of workflows, by name."""

    workflows = fields.List(fields.Nested(WorkflowAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=about("null on the last page."))


class WorkflowVersionsAnswer(ma.Schema):
    """The kept versions of a workflow, newest first."""

    name = fields.String(required=True)
    versions = fields.List(fields.Nested(WorkflowAnswer), required=True)


class WorkflowPutAnswer(PutAnswer):
    """What was stored, or would be."""

    workflow = fields.Nested(WorkflowAnswer, required=True)


class WorkflowRunSummaryAnswer(ma.Schema):
    """A run in a list."""

    id = fields.UUID(required=True)
    workflow = fields.String(required=True)
    version = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    created = fields.DateTime(required=True)
    ended = fields.DateTime(required=True, allow_none=True)
    started_by = fields.String(required=True, metadata=about("Whose permissions its jobs have."))


class RunNodeAnswer(ma.Schema):
    """A node of a run."""

    name = fields.String(required=True)
    needs = fields.List(fields.String(), required=True)
    when = fields.String(required=True, validate=validate.OneOf(WHEN))
    state = fields.String(required=True, validate=validate.OneOf(_STATES))
    attempt = fields.Integer(required=True, metadata=about("1, and one more for each retry."))
    job_id = fields.UUID(required=True, allow_none=True, metadata=about("The job of this attempt."))
    started = fields.DateTime(required=True, allow_none=True)
    ended = fields.DateTime(required=True, allow_none=True)
    reason = fields.String(required=True, metadata=about("Why it was skipped, or failed without a job."))
    earlier_jobs = fields.List(fields.UUID(), required=True, metadata=about("The jobs of earlier attempts."))


class RunEventAnswer(ma.Schema):
    """A step of a run's timeline."""

    at = fields.DateTime(required=True)
    event = fields.String(required=True)
    node = fields.String(required=True, metadata=about("Empty for a step of the whole run."))
    note = fields.String(required=True)


class WorkflowRunAnswer(WorkflowRunSummaryAnswer):
    """A run of a workflow."""

    cancelled_by = fields.String(required=True, metadata=about("Who cancelled it; empty if it was not cancelled."))
    parameters = fields.Dict(required=True, metadata=about("The values of the workflow's parameters."))
    nodes = fields.List(fields.Nested(RunNodeAnswer), required=True)
    timeline = fields.List(fields.Nested(RunEventAnswer), required=True, metadata=about("Oldest first."))


class WorkflowRunListAnswer(ma.Schema):
    """One page of runs, newest first."""

    runs = fields.List(fields.Nested(WorkflowRunSummaryAnswer), required=True)
    total = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=about("null on the last page."))
