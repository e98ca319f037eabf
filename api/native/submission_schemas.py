"""Answers to submissions: accepted jobs, batches, plans."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import about
from api.native.job_query_schemas import STATUSES
from api.native.rollout_schemas import PlannedBatch


class AcceptedAnswer(ma.Schema):
    """The job is in the ledger."""

    job_id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
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
    status = fields.String(validate=validate.OneOf(STATUSES))
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
