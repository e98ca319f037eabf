"""Which jobs a list shows."""

from __future__ import annotations

from marshmallow import fields, validate

from api.native.fields import Cursor, Moment, Names, QueryFlag, QueryWhole, TagQuery, Text, about, between, length
from api.native.job_request_schemas import MAX_NAME
from api.validation import StrictSchema
from jobqueue.model.filter import DEFAULT_LIMIT, MAX_LIMIT
from jobqueue.model.job_fields import MAX_TITLE
from jobqueue.model.states import JobStatus
from jobqueue.targets import limits

MAX_OFFSET = 1_000_000_000
#: The most characters of a job's target.
MAX_TARGET = limits.MAX_TEXT
STATUSES = [status.value for status in JobStatus]


class JobQuery(StrictSchema):
    """Which jobs to list."""

    status: fields.String = Names(
        JobStatus,
        metadata=about(
            "Only jobs with this status, or one of several separated by commas.",
            pattern=f"^({'|'.join(STATUSES)})(,({'|'.join(STATUSES)}))*$",
        ),
    )
    limit = QueryWhole(
        load_default=DEFAULT_LIMIT, validate=between(1, MAX_LIMIT), metadata=about("Maximum number of jobs on a page.")
    )
    offset = QueryWhole(load_default=0, validate=between(0, MAX_OFFSET), metadata=about("How many jobs to skip."))
    operation = Text(
        validate=length(1, MAX_NAME), metadata=about("Only jobs of this operation type, or with a step of it.")
    )
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
