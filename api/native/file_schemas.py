"""The shapes of /file."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import QueryFlag, QueryWhole, Text, about, between, length
from api.validation import StrictSchema
from jobqueue.model.stored_object import CONTENT_TYPES, RAW

MAX_PAGE = 100
_LARGEST_VERSION = 2**31
_DIGEST = 64
_CURSOR_LENGTH = 300


def _content_type(**options: Any) -> Text:
    return Text(
        validate=validate.OneOf(CONTENT_TYPES, error="Must be one of {choices}."),
        metadata=about("How it is deployed: as it is, or rendered as a template."),
        **options,
    )


def _limit() -> QueryWhole:
    return QueryWhole(load_default=50, validate=between(1, MAX_PAGE), metadata=about("Maximum number on a page."))


def _cursor() -> Text:
    return Text(validate=length(1, _CURSOR_LENGTH), metadata=about("The next_cursor of the previous page."))


class FileListQuery(StrictSchema):
    """Which objects to list."""

    limit = _limit()
    cursor = _cursor()


class StaleQuery(StrictSchema):
    """Which stale deployments to list."""

    limit = QueryWhole(
        load_default=50,
        validate=between(1, MAX_PAGE),
        metadata=about("A page ends with the host that reaches this number."),
    )
    cursor = _cursor()


class FilePutQuery(StrictSchema):
    """How to store an object."""

    content_type = _content_type(load_default=RAW)
    sha256 = Text(
        validate=length(_DIGEST, _DIGEST), metadata=about("The expected digest, in hex: other content is refused.")
    )
    force = QueryFlag(load_default=False, metadata=about("Make a new version also of the same content."))


class FilePostQuery(StrictSchema):
    """How to store an object."""

    force = QueryFlag(load_default=False, metadata=about("Replace an object that exists with other content."))


class FileDeleteQuery(StrictSchema):
    """How to delete an object."""

    force = QueryFlag(load_default=False, metadata=about("Delete it although it is deployed."))


class FileContentQuery(StrictSchema):
    """Which version to download."""

    version = QueryWhole(validate=between(1, _LARGEST_VERSION), metadata=about("Default: the newest."))


class VersionAnswer(ma.Schema):
    """A version of an object."""

    version = fields.Integer(required=True)
    sha256 = fields.String(required=True)
    size = fields.Integer(required=True, metadata=about("Bytes."))
    content_type = fields.String(required=True, validate=validate.OneOf(CONTENT_TYPES))
    stored_at = fields.DateTime(required=True)
    stored_by = fields.String(required=True)


class FileSummaryAnswer(VersionAnswer):
    """An object, with its newest version."""

    name = fields.String(required=True)


class FileAnswer(FileSummaryAnswer):
    """An object, with its newest version."""

    deployments = fields.Integer(required=True, metadata=about("How many paths of hosts it is deployed at."))
    versions = fields.List(fields.Nested(VersionAnswer), required=True, metadata=about("Newest first."))


class FilePutAnswer(FileSummaryAnswer):
    """An object after an upload."""

    changed = fields.Boolean(required=True, metadata=about("False: the newest version had this content already."))


class FileListAnswer(ma.Schema):
    """Objects by name."""

    files = fields.List(fields.Nested(FileSummaryAnswer), required=True)
    total = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class StaleAnswer(ma.Schema):
    """A deployment of an older version."""

    object = fields.String(required=True)
    hostname = fields.String(required=True)
    path = fields.String(required=True)
    provider = fields.String(required=True, metadata=about("The family of the operation that deployed it."))
    job_id = fields.String(required=True)
    version = fields.Integer(required=True, metadata=about("The version that is deployed."))
    sha256 = fields.String(required=True)
    current_version = fields.Integer(required=True)
    current_sha256 = fields.String(required=True)
    deployed_at = fields.DateTime(required=True)


class StaleListAnswer(ma.Schema):
    """Deployments of older versions, by hostname and path."""

    stale = fields.List(fields.Nested(StaleAnswer), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
