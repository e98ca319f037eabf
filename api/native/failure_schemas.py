"""Failures, grouped by error."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import QueryWhole, about, between
from api.validation import StrictSchema


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
