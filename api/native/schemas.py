"""The shapes of the native API: what requests must be (enforced) and what answers are (documented, and tested)."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.concurrency_schemas import CONCURRENCY
from api.native.fields import (
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    Cursor,
    Data,
    Line,
    Moment,
    Names,
    Number,
    QueryFlag,
    QueryWhole,
    TagQuery,
    Tags,
    Text,
    Whole,
    about,
    between,
    length,
)
from api.native.pause_schemas import PauseAnswer, PausedBy
from api.native.rollout_schemas import ROLLOUT, ApprovalAnswer, PlannedBatch, RolloutAnswer
from api.native.terms import Terms
from api.validation import StrictSchema
from jobqueue.model.agent import MAX_REASON
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.filter import DEFAULT_LIMIT, MAX_LIMIT
from jobqueue.model.job_fields import DEFAULT_PRIORITY, MAX_DESCRIPTION, MAX_TITLE
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus
from jobqueue.model.target import ANY
from jobqueue.operations.schema import Items
from jobqueue.services.result_verifier import FORGED, REVOKED, UNSIGNED
from jobqueue.targets import limits

MAX_BATCH = 1000
MAX_OFFSET = 1_000_000_000
MAX_TIMEOUT_SECONDS = 366 * 86_400
MAX_ATTEMPTS = 100
MAX_BACKOFF_SECONDS = 30 * 86_400
MAX_IDEMPOTENCY_KEY = 200
#: Longer than any operation type that can exist, short enough for messages and indexes.
MAX_NAME = 512
EXAMPLE_OPERATION = "node.hostname.get"
#: The most characters of a job's target.
MAX_TARGET = limits.MAX_TEXT

_STATUSES = [status.value for status in JobStatus]
_RETRIABLE = sorted(state.value for state in FAILURES)
_POLICY = RetryPolicy()


# --- requests ---------------------------------------------------------------------------------------------------------


class OperationRequest(StrictSchema):
    """What to run."""

    type = Text(
        required=True,
        validate=length(1, MAX_NAME),
        metadata=about("An operation's type; GET /operation lists them.", example=EXAMPLE_OPERATION),
    )
    data = Data(
        load_default=dict,
        metadata=about("The operation's data; GET /operation has the JSON Schema of each.", example={}),
    )


class RetriesRequest(StrictSchema):
    """How often, and after how long, a failed execution is tried again."""

    max_attempts = Whole(
        required=True,
        validate=between(1, MAX_ATTEMPTS),
        metadata=about("Maximum number of attempts, the first one included."),
    )
    backoff_seconds = Number(
        validate=between(0, MAX_BACKOFF_SECONDS),
        metadata=about("Wait before the second run; doubled for every further run.", default=_POLICY.backoff_seconds),
    )
    backoff_max_seconds = Number(
        validate=between(0, MAX_BACKOFF_SECONDS),
        metadata=about("The longest wait.", default=_POLICY.backoff_max_seconds),
    )
    jitter = Number(
        validate=between(0, 1),
        metadata=about("Randomized share of each wait.", default=_POLICY.jitter),
    )


class JobRequest(StrictSchema):
    """A request to run one operation on one target."""

    operation = fields.Nested(
        OperationRequest,
        required=True,
        error_messages={"required": "Missing; it is required.", "null": "May not be null; give type and data."},
    )
    target_hostname = Text(
        metadata=about(
            f"_any (one free agent), _all, a hostname, a label as key:value, or an expression of these, such as "
            f"web[01-20] or group:web and not zone:a. Default {ANY}.",
            default=ANY,
            example="_any",
        )
    )
    target = Text(metadata=about("Alias of target_hostname."))
    timeout_seconds = Number(
        validate=validate.Range(
            0, MAX_TIMEOUT_SECONDS, min_inclusive=False, error="Must be more than {min} and at most {max}."
        ),
        metadata=about("Maximum duration of one run."),
    )
    not_before = Moment(metadata=about("The job does not start before this time. UTC if it has no zone."))
    expires_at = Moment(
        metadata=about("An execution that has not started by this time expires. UTC if it has no zone.")
    )
    retries = fields.Nested(RetriesRequest, error_messages={"null": "May not be null; leave it out or give an object."})
    rollout = Terms("rollout", Rollout.read, ROLLOUT)
    concurrency = Terms("concurrency", Concurrency.read, CONCURRENCY)
    title = Line(
        validate=length(1, MAX_TITLE),
        metadata=about("A title, for lists of jobs. Default: the first line of the command."),
    )
    description = Line(validate=length(1, MAX_DESCRIPTION), metadata=about("The purpose of the job."))
    priority = Whole(
        load_default=DEFAULT_PRIORITY, validate=between(0, 9), metadata=about("0 to 9, higher runs first.")
    )
    tags = Tags(
        load_default=dict,
        metadata=about(
            f"At most {MAX_TAGS}; keys of at most {MAX_TAG_KEY} and values of at most {MAX_TAG_VALUE} characters.",
            example={"team": "web"},
        ),
    )
    plan_hash = Text(
        validate=validate.Regexp(r"^[0-9a-f]{48}\Z", error="Must be the plan_hash of an answer to POST /job/plan."),
        metadata=about(
            "From POST /job/plan: the job is refused with 409 if the set of agents or the request differs from it."
        ),
    )
    idempotency_key = Text(
        validate=validate.Regexp(
            rf"^[\x21-\x7e]{{1,{MAX_IDEMPOTENCY_KEY}}}\Z",
            error=f"Must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters without blanks.",
        ),
        metadata=about("Repeating a request with the same key returns the first job. Also as header Idempotency-Key."),
    )


class BatchRequest(StrictSchema):
    """A batch of requests. Each is validated separately."""

    jobs = Items(
        fields.Raw(allow_none=True),  # null is refused at its index, like every other item that is not an object
        required=True,
        validate=validate.Length(1, MAX_BATCH, error="Must hold {min} to {max} jobs."),
        error_messages={
            "required": "Missing; it is required.",
            "null": "Must be a list of jobs.",
            "invalid": "Must be a list of jobs.",
        },
        metadata=about(
            f"At most {MAX_BATCH} jobs, each as in POST /job.", items={"$ref": "#/components/schemas/JobRequest"}
        ),
    )


class RetryRequest(StrictSchema):
    """How to retry. Without a body: the same target and options."""

    target_hostname = Text(metadata=about("A different target than the job's own."))
    target = Text(metadata=about("Alias of target_hostname."))
    only = Items(  # type: ignore[assignment]  # marshmallow takes fields out of the class
        Text(validate=validate.OneOf(_RETRIABLE, error="Must be one of {choices}.")),
        validate=validate.Length(1, len(_RETRIABLE), error="Must name {min} to {max} states."),
        error_messages={
            "null": "May not be null; leave it out or give a list.",
            "invalid": f"Must be a list of {', '.join(_RETRIABLE)}.",
        },
        metadata=about("Retry only the executions that ended in one of these states."),
    )


class JobQuery(StrictSchema):
    """Which jobs to list."""

    status: fields.String = Names(
        JobStatus,
        metadata=about(
            "Only jobs with this status, or one of several separated by commas.",
            pattern=f"^({'|'.join(_STATUSES)})(,({'|'.join(_STATUSES)}))*$",
        ),
    )
    limit = QueryWhole(
        load_default=DEFAULT_LIMIT, validate=between(1, MAX_LIMIT), metadata=about("Maximum number of jobs on a page.")
    )
    offset = QueryWhole(load_default=0, validate=between(0, MAX_OFFSET), metadata=about("How many jobs to skip."))
    operation = Text(validate=length(1, MAX_NAME), metadata=about("Only jobs of this operation type."))
    target = Text(
        validate=length(1, MAX_TARGET), metadata=about("Only jobs with exactly this target, in any spelling.")
    )
    hostname = Text(validate=length(1, MAX_NAME), metadata=about("Only jobs with an execution on this agent."))
    tag = TagQuery(metadata=about("Only jobs with this tag, as key:value.", example="team:web"))
    saved = Text(validate=length(1, 64), metadata=about("Only jobs that were made from this saved job."))
    q = Text(
        validate=length(1, MAX_TITLE),
        metadata=about("Only jobs with this text in title, operation, target, host, tag, submitter or error."),
    )
    error = Text(validate=length(1, MAX_TITLE), metadata=about("Only jobs with this text in the error."))
    submitted_by = Text(validate=length(1, MAX_NAME), metadata=about("Only jobs of this principal."))
    created_after = Moment(metadata=about("Only jobs created at this time or later."))
    created_before = Moment(metadata=about("Only jobs created at this time or earlier."))
    cursor = Cursor(
        metadata=about("The next_cursor of the previous page; jobs submitted since do not shift the pages.")
    )
    view = Text(
        load_default="full",
        validate=validate.OneOf(["full", "summary"], error="Must be one of {choices}."),
        metadata=about(
            "full has the first 50 executions of each job; summary leaves out responses, agent_states and timeline, "
            "and what follows from the executions of a broadcast."
        ),
    )


class JobListQuery(JobQuery):
    """Which jobs to list, and whether with a cursor for each."""

    cursors = QueryFlag(
        load_default=False,
        metadata=about("true adds cursors: for each item, the cursor that continues after it, for merging lists."),
    )


class LogQuery(StrictSchema):
    """Which output to read."""

    hostname = Text(validate=length(1, MAX_NAME), metadata=about("The agent; default: all of the job's hosts."))
    cursor = Text(validate=length(1, MAX_NAME), metadata=about("Of several hosts: those after this hostname."))
    limit = QueryWhole(
        load_default=20, validate=between(1, 100), metadata=about("Of several hosts: at most this many.")
    )
    failed = QueryFlag(load_default=False, metadata=about("Of several hosts: only failed, expired and lost ones."))
    offset = QueryWhole(
        load_default=0, validate=between(0, 2**53), metadata=about("Start at this byte offset of the output.")
    )


class OutputQuery(StrictSchema):
    """Which file to make of a job's output."""

    format = Text(
        load_default="jsonl",
        validate=validate.OneOf(["jsonl", "zip"], error="Must be one of {choices}."),
        metadata=about("jsonl: a line for each piece of output. zip: a file for each host."),
    )
    failed = QueryFlag(load_default=False, metadata=about("Only failed, expired and lost executions."))


# --- answers: never walked by marshmallow, a test holds the real answers against them ---------------------------------


class ErrorAnswer(ma.Schema):
    """Every error, on every route."""

    error = fields.String(required=True, metadata=about("A human-readable explanation."))
    code = fields.Integer(required=True, metadata=about("The HTTP status."))
    details = fields.Dict(
        required=True, allow_none=True, metadata=about("Messages by field: {field: [messages]}; or null.")
    )


class AcceptedAnswer(ma.Schema):
    """The job is in the ledger."""

    job_id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(_STATUSES))
    revision = fields.Integer(required=True)
    timestamp = fields.DateTime(required=True, metadata=about("When it was accepted."))


class UnconfirmedAnswer(AcceptedAnswer):
    """The ledger has not answered in time: the job may be stored, or may still be."""

    accepted = fields.String(required=True, metadata=about('"not confirmed".'))
    message = fields.String(required=True, metadata=about("What to do now."))


class LeftOut(ma.Schema):
    """An agent that the target names, and that would not take the job."""

    hostname = fields.String(required=True)
    reason = fields.String(required=True)


class PermissionCheck(ma.Schema):
    """A permission that the job needs."""

    permission = fields.String(required=True)
    granted = fields.Boolean(required=True, metadata=about("Whether the caller has it."))


class PlanAnswer(ma.Schema):
    """What a job would do if it was submitted now."""

    operation = fields.String(required=True)
    target_hostname = fields.String(required=True, metadata=about("The target in its canonical spelling."))
    executions = fields.Integer(required=True, metadata=about("How many executions the job would have."))
    hosts = fields.List(
        fields.String(),
        required=True,
        metadata=about("The agents that would take the job; for _any, those of which one takes it."),
    )
    skips = fields.List(
        fields.String(),
        required=True,
        metadata=about("Those of the hosts that do not support the operation and would skip it."),
    )
    left_out = fields.List(fields.Nested(LeftOut), required=True)
    notes = fields.List(fields.String(), required=True, metadata=about("Parts of the target that match nothing."))
    permissions = fields.List(fields.Nested(PermissionCheck), required=True)
    permitted = fields.Boolean(required=True, metadata=about("Whether the caller has all of the permissions."))
    awaits_approval = fields.String(
        required=True,
        allow_none=True,
        metadata=about("The limit per job that it exceeds: it would wait for an approval by another principal."),
    )
    batches = fields.List(
        fields.Nested(PlannedBatch),
        required=True,
        allow_none=True,
        metadata=about("The batches of a rollout, in their order; null for a job without one."),
    )
    plan_hash = fields.String(
        required=True, metadata=about("Identifies the request and the set of agents; for POST /job, for one hour.")
    )


class BatchItem(ma.Schema):
    """The answer to one job of a batch: an accepted job, or an error."""

    accepted = fields.String(metadata=about("As for a single job."))
    message = fields.String()

    job_id = fields.UUID()
    status = fields.String(validate=validate.OneOf(_STATUSES))
    revision = fields.Integer()
    timestamp = fields.DateTime()
    index = fields.Integer(metadata=about("Index in the batch; errors only."))
    error = fields.String()
    code = fields.Integer()
    details = fields.Dict(allow_none=True)


class BatchAnswer(ma.Schema):
    """One item per job of the batch, in order."""

    accepted = fields.Integer(required=True, metadata=about("Number of items that are jobs."))
    items = fields.List(fields.Nested(BatchItem), required=True)


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


class JobSummary(ma.Schema):
    """A job, without the fields that can be large for a broadcast."""

    id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(_STATUSES))
    created = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)
    operation = fields.Nested(OperationAnswer, required=True)
    result = fields.Raw(required=True, allow_none=True, metadata=about("The answer of a job for one agent."))
    changed = fields.Boolean(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    hostname = fields.String(required=True, metadata=about("The agent that answered; empty before one has."))
    target_hostname = fields.String(required=True)
    tags = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    attempts = fields.Integer(required=True)
    expected_agents = fields.List(fields.String(), required=True)
    saved = fields.Dict(
        required=True,
        allow_none=True,
        metadata=about('The saved job that it was made from, as {"name", "version"}.'),
    )
    retry_of = fields.UUID(required=True, allow_none=True)
    retried_as = fields.List(fields.UUID(), required=True)
    cancel_requested = fields.Boolean(required=True)
    origin = fields.String(required=True, metadata=about("The API that the job came through."))
    submitted_by = fields.String(required=True)
    alias = fields.String(required=True, allow_none=True, metadata=about("The caller's own name for the job."))
    title = fields.String(required=True, allow_none=True, metadata=about("The caller's title."))
    description = fields.String(required=True, allow_none=True, metadata=about("The caller's description."))
    priority = fields.Integer(required=True)
    timeout_seconds = fields.Float(required=True, allow_none=True)
    not_before = fields.DateTime(required=True, allow_none=True)
    expires_at = fields.DateTime(required=True, allow_none=True)
    retries = fields.Nested(RetriesAnswer, required=True, allow_none=True)
    execution_counts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("All executions, by state.")
    )
    executions_left_out = fields.Integer(
        required=True,
        metadata=about("Executions that this answer leaves out; what follows from executions is without them."),
    )
    executions_url = fields.String(required=True, metadata=about("Where all executions are listed, page by page."))
    rollout = fields.Nested(RolloutAnswer, required=True, allow_none=True)
    concurrency = fields.Dict(
        required=True,
        allow_none=True,
        metadata=about("Its concurrency key, without defaults.", properties=CONCURRENCY["properties"]),
    )
    approval = fields.Nested(
        ApprovalAnswer,
        required=True,
        allow_none=True,
        metadata=about("Set if the job exceeds a limit of its submitter's grants."),
    )


class JobAnswer(JobSummary):
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


class ListedJob(JobSummary):
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


class LogChunk(ma.Schema):
    """A piece of output."""

    offset = fields.Integer(required=True, metadata=about("Offset of its end: bytes of output of all streams so far."))
    stream = fields.String(required=True, metadata=about("stdout, stderr, or agent for the agent's own notices."))
    attempt = fields.Integer(required=True)
    text = fields.String(required=True, metadata=about("Invalid UTF-8 is replaced by U+FFFD."))
    base64 = fields.String(metadata=about("The bytes, only if they are not valid UTF-8."))


class HostLog(ma.Schema):
    """Output of one execution."""

    hostname = fields.String(required=True, metadata=about("Empty until an agent has claimed the execution."))
    status = fields.String(required=True, metadata=about("State of the execution."))
    complete = fields.Boolean(required=True, metadata=about("The output is complete."))
    cut = fields.Integer(required=True, metadata=about("Bytes after the offset that are no longer stored."))
    next_offset = fields.Integer(required=True, metadata=about("Offset of the next page."))
    chunks = fields.List(fields.Nested(LogChunk), required=True)


class LogAnswer(ma.Schema):
    """Output of one execution, or of several hosts: then `hosts`, `total` and `next_cursor` instead of the rest."""

    job_id = fields.UUID(required=True)
    hostname = fields.String(metadata=about("Empty until an agent has claimed the execution."))
    status = fields.String(metadata=about("State of the execution."))
    complete = fields.Boolean(metadata=about("The output is complete."))
    cut = fields.Integer(metadata=about("Bytes after the offset that are no longer stored."))
    next_offset = fields.Integer(metadata=about("Offset of the next page."))
    chunks = fields.List(fields.Nested(LogChunk))
    hosts = fields.List(fields.Nested(HostLog), metadata=about("The beginning of each host's output; see `offset`."))
    total = fields.Integer(metadata=about("Number of hosts."))
    next_cursor = fields.String(allow_none=True, metadata=about("null on the last page."))


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


class OperationInfoAnswer(ma.Schema):
    """An operation that agents can run."""

    type = fields.String(required=True)
    summary = fields.String(required=True)
    schema = fields.Dict(required=True, metadata=about("JSON Schema of the operation's data."))
    changes = fields.Boolean(required=True, metadata=about("Whether it may change the host."))
    idempotent = fields.Boolean(
        required=True, metadata=about("Whether running it twice has the same effect as running it once.")
    )
    permission = fields.String(required=True)
    plugin = fields.String(required=True, metadata=about("The Python distribution that provides it."))
    positional = fields.String(
        required=True,
        allow_none=True,
        metadata=about("The data field that takes the arguments after -- on a command line, if any."),
    )


class OperationListAnswer(ma.Schema):
    """Every operation type."""

    operations = fields.List(fields.Nested(OperationInfoAnswer), required=True)
    total = fields.Integer(required=True)


class HealthAnswer(ma.Schema):
    """This process answers."""

    status = fields.String(required=True)
    version = fields.String(required=True)


class ComponentAnswer(ma.Schema):
    """The condition of one part of the system."""

    status = fields.String(required=True)
    latency_ms = fields.Float(metadata=about("Time of one round trip."))
    reason = fields.String(metadata=about("Why it is not ok."))


class AgentCounts(ma.Schema):
    """Agents, counted."""

    total = fields.Integer(required=True)
    live = fields.Integer(required=True)
    offline = fields.Integer(required=True)
    running = fields.Integer(required=True, metadata=about("Executions running now on all live agents."))
    conditions = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata=about("Live agents by condition.")
    )
    age_seconds = fields.Float(
        required=True, metadata=about("How old these numbers are; of a large fleet, maintenance makes them.")
    )


class FailureQuery(StrictSchema):
    """The time span of the listed failures."""

    within_seconds = QueryWhole(
        load_default=3600, validate=between(1, 7 * 86_400), metadata=about("Only jobs that ended within these seconds.")
    )


class FailureGroupAnswer(ma.Schema):
    """Failed executions of one operation and title, with the same error apart from numbers, ids and hostnames in it."""

    operation = fields.String(required=True)
    title = fields.String(required=True, allow_none=True)
    error = fields.String(required=True, metadata=about("The error of the newest."))
    executions = fields.Integer(required=True)
    host_count = fields.Integer(required=True)
    hosts = fields.List(fields.String(), required=True, metadata=about("At most 20, the newest first."))
    job_count = fields.Integer(required=True)
    job_ids = fields.List(fields.String(), required=True, metadata=about("At most 20, the newest first."))
    first = fields.DateTime(required=True, metadata=about("When the first of the jobs ended."))
    last = fields.DateTime(required=True, metadata=about("When the last of the jobs ended."))


class FailureListAnswer(ma.Schema):
    """What failed lately, the largest groups first."""

    items = fields.List(fields.Nested(FailureGroupAnswer), required=True)
    complete = fields.Boolean(
        required=True,
        metadata=about("False if only the newest 500 jobs, or 1,000 executions of jobs that failed, were examined."),
    )


class AlertAnswer(ma.Schema):
    """An event that needs attention."""

    timestamp = fields.DateTime(required=True)
    kind = fields.String(
        required=True, metadata=about("work_refused, results_forged, ...; a counter has this name too.")
    )
    job_id = fields.String(required=True)
    hostname = fields.String(required=True)
    message = fields.String(required=True)
    acknowledged = fields.Boolean(required=True, metadata=about("Whether the alerts of its kind are acknowledged."))


class StatusAnswer(ma.Schema):
    """An overview of the system."""

    status = fields.String(required=True)
    version = fields.String(required=True)
    components = fields.Dict(keys=fields.String(), values=fields.Nested(ComponentAnswer), required=True)
    status_counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    agents = fields.Nested(AgentCounts, required=True)
    counters = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata=about(
            "Counters of rare events: claims_refused, results_refused, leases_lost, work_refused and so on."
        ),
    )
    pauses = fields.List(fields.Nested(PauseAnswer), required=True, metadata=about("What is paused, the oldest first."))
    alerts = fields.List(fields.Nested(AlertAnswer), required=True, metadata=about("The newest ten, newest first."))
