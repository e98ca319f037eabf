"""The shapes of /saved."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import Data, Flag, Moment, QueryFlag, QueryWhole, Text, Whole, about, between, length
from api.native.job_request_schemas import MAX_IDEMPOTENCY_KEY, JobRequest
from api.native.job_schemas import OperationAnswer, answer_field
from api.native.submission_schemas import PlanAnswer
from api.validation import StrictSchema
from jobqueue.model.job_fields import SAVED, Kind
from jobqueue.model.saved_job import MAX_GRANTEES, MAX_PAGE
from jobqueue.operations.schema import Items

_MOST_VERSION = 2**31
_JOB = JobRequest().fields
_RUNS = {"required": "Missing; it is required.", "null": "May not be null; leave it out or give a list."}


def _grantees(text: str) -> Items:
    return Items(
        Text(),
        load_default=list,
        validate=ma.validate.Length(0, MAX_GRANTEES, error="Must name at most {max} principals and roles."),
        error_messages={**_RUNS, "invalid": "Must be a list of names, such as alice or role:deploy."},
        metadata=about(text, example=["role:deploy"]),
    )


class SavedJobRequest(JobRequest):
    """The body of POST /job with templates in its data, and the parameters that fill them in."""

    class Meta(StrictSchema.Meta):
        # these belong to one run
        exclude = ("not_before", "expires_at", "plan_hash", "idempotency_key")

    parameters = Data(
        load_default=dict,
        metadata=about(
            "JSON Schemas by the name of the parameter: type, title, description, default, enum, required, secret, "
            "format (hosts, target), minimum, maximum, minLength, maxLength, pattern (RE2), items, minItems, maxItems.",
            additionalProperties={"type": "object"},
            example={"version": {"type": "string", "pattern": r"^[0-9.]+$"}},
        ),
    )
    target_override = Flag(load_default=False, metadata=about("Whether a run may name another target.", default=False))
    run_by = _grantees("Who may run it, of those with saved:run; empty: all of them.")
    edit_by = _grantees("Who may change it, of those with saved:write; empty: all of them.")
    managed_by = Text(
        load_default="",
        validate=length(0, 100),
        metadata=about("The set of files that declares it; empty if it was edited by hand."),
    )
    version = Whole(
        validate=between(0, _MOST_VERSION),
        metadata=about(
            "The version that is changed, 0 for a new one; with another one stored: 409. Also as header If-Match."
        ),
    )


class SavedJobPutQuery(StrictSchema):
    """How to store a saved job."""

    dry_run = QueryFlag(load_default=False, metadata=about("Only validate it, and return what would change."))


class SavedJobListQuery(StrictSchema):
    """Which saved jobs to list."""

    cursor = Text(load_default="", validate=length(0, 64), metadata=about("The next_cursor of the previous page."))
    limit = QueryWhole(
        load_default=100, validate=between(1, MAX_PAGE), metadata=about("Maximum number of saved jobs on a page.")
    )


class SavedJobQuery(StrictSchema):
    """Which version to read."""

    version = QueryWhole(
        validate=between(1, _MOST_VERSION), metadata=about("One of the kept versions; default: the newest.")
    )


class SavedJobDiffQuery(StrictSchema):
    """Which versions to compare."""

    before = QueryWhole(
        data_key="from",
        validate=between(1, _MOST_VERSION),
        metadata=about("The earlier version; default: the one before `to`."),
    )
    after = QueryWhole(
        data_key="to", validate=between(1, _MOST_VERSION), metadata=about("The later version; default: the newest.")
    )


class RestoreRequest(StrictSchema):
    """Which version to restore."""

    version = Whole(
        required=True,
        validate=between(1, _MOST_VERSION),
        metadata=about("The version whose content becomes the newest."),
    )


class SavedRunRequest(StrictSchema):
    """The values of one run."""

    parameters = Data(load_default=dict, metadata=about("Values by the name of the parameter.", example={}))
    target_hostname = Text(metadata=about("Another target, if the saved job allows one (target_override)."))
    target = Text(metadata=about("Alias of target_hostname."))
    version = Whole(
        validate=between(1, _MOST_VERSION), metadata=about("Run only this version; if it is not the newest: 409.")
    )
    not_before = Moment(metadata=_JOB["not_before"].metadata)
    expires_at = Moment(metadata=_JOB["expires_at"].metadata)
    plan_hash = Text(validate=_JOB["plan_hash"].validate, metadata=_JOB["plan_hash"].metadata)
    idempotency_key = Text(
        validate=_JOB["idempotency_key"].validate,
        metadata=about(f"As in POST /job, at most {MAX_IDEMPOTENCY_KEY} characters."),
    )


class ScheduledSavedRequest(SavedRunRequest):
    """The jobs of a schedule: a saved job, by its name, and the values of its parameters."""

    class Meta(StrictSchema.Meta):
        # these belong to one run
        exclude = ("version", "not_before", "expires_at", "plan_hash", "idempotency_key")

    saved = Text(required=True, validate=length(1, 64), metadata=about("The name of the saved job."))


# --- answers ----------------------------------------------------------------------------------------------------------


#: Of the options, the objects: their terms are described by the request.
_TERMS = {
    Kind.ROLLOUT: "The terms of a rollout, as in POST /job.",
    Kind.CONCURRENCY: "The terms of a concurrency key, as in POST /job.",
}


class SavedJobAnswer(ma.Schema):
    """A saved job. Options that are null have the defaults of POST /job."""

    class Meta:
        include = {  # noqa: RUF012
            field.shown_as: answer_field(
                field,
                may_be_null=not field.is_required,
                **(about(_TERMS[field.kind]) if field.kind in _TERMS else {}),
            )
            for field in SAVED
            if field.name not in ("operation", "data")
        }

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    changed = fields.DateTime(required=True, metadata=about("When this version was stored."))
    changed_by = fields.String(required=True, metadata=about("Who stored this version."))
    managed_by = fields.String(required=True, metadata=about("The set of files that declares it, or empty."))
    operation = fields.Nested(OperationAnswer, required=True)
    parameters = fields.Dict(
        keys=fields.String(), values=fields.Dict(), required=True, metadata=about("JSON Schemas by name.")
    )
    target_override = fields.Boolean(required=True)
    run_by = fields.List(fields.String(), required=True)
    edit_by = fields.List(fields.String(), required=True)


class SavedJobListAnswer(ma.Schema):
    """One page of saved jobs, by name."""

    saved = fields.List(fields.Nested(SavedJobAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata=about("null on the last page."))


class SavedJobVersionsAnswer(ma.Schema):
    """The kept versions of a saved job, newest first."""

    name = fields.String(required=True)
    versions = fields.List(fields.Nested(SavedJobAnswer), required=True)


class ChangeAnswer(ma.Schema):
    """One field that differs."""

    field = fields.String(required=True, metadata=about("Its path."))
    before = fields.Raw(required=True, allow_none=True, metadata=about("null if it was added."))
    after = fields.Raw(required=True, allow_none=True, metadata=about("null if it was removed."))


class PutAnswer(ma.Schema):
    """What was stored, or would be."""

    change = fields.String(
        required=True, validate=ma.validate.OneOf(["created", "changed", "unchanged"]), metadata=about("What happened.")
    )
    dry_run = fields.Boolean(required=True, metadata=about("Whether nothing was stored."))
    changes = fields.List(fields.Nested(ChangeAnswer), required=True)


class SavedJobPutAnswer(PutAnswer):
    """What was stored, or would be."""

    saved = fields.Nested(SavedJobAnswer, required=True)


class SavedJobDiffAnswer(ma.Schema):
    """The difference between two versions."""

    name = fields.String(required=True)
    before = fields.Integer(required=True, data_key="from")
    after = fields.Integer(required=True, data_key="to")
    changes = fields.List(fields.Nested(ChangeAnswer), required=True)


class SavedPlanAnswer(PlanAnswer):
    """What a run would do now."""

    data = fields.Dict(required=True, metadata=about("The operation's data with the values filled in."))
    saved = fields.Dict(required=True, metadata=about("Name and version of the saved job."))
