"""Requests for jobs: one, a batch, a retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.concurrency_schemas import CONCURRENCY
from api.native.fields import (
    Data,
    Line,
    Moment,
    Number,
    Tags,
    Text,
    Whole,
    about,
    between,
    length,
)
from api.native.rollout_schemas import ROLLOUT
from api.native.terms import Terms
from api.validation import StrictSchema
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.job_fields import REQUESTED, JobField, Kind
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import FAILURES
from jobqueue.model.target import ANY
from jobqueue.operations.schema import Items

MAX_BATCH = 1000
MAX_ATTEMPTS = 100
MAX_BACKOFF_SECONDS = 30 * 86_400
MAX_IDEMPOTENCY_KEY = 200
#: Longer than any operation type that can exist, short enough for messages and indexes.
MAX_NAME = 512
EXAMPLE_OPERATION = "node.hostname.get"
_RETRIABLE = sorted(state.value for state in FAILURES)
_POLICY = RetryPolicy()


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


#: The field of a request for each kind of a job's fields.
_OF_KIND: dict[Kind, Callable[[JobField], ma.fields.Field[Any]]] = {
    Kind.TEXT: lambda field: Line(validate=length(1, field.most), metadata=about(field.request_text)),
    Kind.NUMBER: lambda field: Number(
        validate=validate.Range(0, field.most, min_inclusive=False, error="Must be more than {min} and at most {max}."),
        metadata=about(field.request_text),
    ),
    Kind.DIGIT: lambda field: Whole(
        load_default=field.default, validate=between(0, 9), metadata=about(field.request_text)
    ),
    Kind.TIME: lambda field: Moment(metadata=about(field.request_text)),
    Kind.PAIRS: lambda field: Tags(load_default=dict, metadata=about(field.request_text, example={"team": "web"})),
    Kind.POLICY: lambda _: fields.Nested(
        RetriesRequest, error_messages={"null": "May not be null; leave it out or give an object."}
    ),
    Kind.ROLLOUT: lambda field: Terms(field.name, Rollout.read, ROLLOUT),
    Kind.CONCURRENCY: lambda field: Terms(field.name, Concurrency.read, CONCURRENCY),
}


class JobRequest(StrictSchema):
    """A request to run one operation on one target. Its options are those of the table of a job's fields."""

    class Meta(StrictSchema.Meta):
        include = {field.name: _OF_KIND[field.kind](field) for field in REQUESTED}  # noqa: RUF012

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
