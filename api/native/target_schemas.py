"""The shapes of /target."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.comparison import ComparisonAnswer
from api.native.fields import Line, QueryFlag, Text, about, length
from api.validation import StrictSchema
from jobqueue.model.stored_target import MAX_DESCRIPTION
from jobqueue.targets.limits import MAX_STORED_TEXT


class TargetRequest(StrictSchema):
    """An expression to store under the name in the path."""

    target = Text(
        required=True,
        validate=length(1, MAX_STORED_TEXT),
        metadata=about("The expression; it may refer to other stored targets.", example="group:web and not zone:a"),
    )
    description = Line(
        load_default="", validate=length(0, MAX_DESCRIPTION), metadata=about("Description of the target.")
    )
    managed_by = Text(
        load_default="",
        validate=length(0, 100),
        metadata=about("The set of files that declares it; empty if it was edited by hand."),
    )


class TargetPutQuery(StrictSchema):
    """How to store a target."""

    dry_run = QueryFlag(load_default=False, metadata=about("Only validate it, and return what would change."))
    assume = Text(
        load_default="",
        validate=length(0, MAX_STORED_TEXT),
        metadata=about("With dry_run: names of targets, separated by commas, to assume stored."),
    )


class NamedTargetRequest(TargetRequest):
    """An expression to store, and its name."""

    name = Text(
        required=True,
        validate=length(1, 64),
        metadata=about("Letters, digits and . _ -, beginning and ending with a letter or digit.", example="web-prod"),
    )


class TargetCompletionQuery(StrictSchema):
    """What has been typed."""

    q = Text(load_default="", validate=length(0, MAX_STORED_TEXT), metadata=about("The target, as far as it is typed."))


class TargetCompletionAnswer(ma.Schema):
    """Completions of a target."""

    completions = fields.List(fields.String(), required=True)


class StoredTargetAnswer(ma.Schema):
    """A stored target."""

    name = fields.String(required=True)
    target = fields.String(required=True, metadata=about("The expression in its canonical spelling."))
    description = fields.String(required=True)
    changed = fields.DateTime(required=True, metadata=about("When it was last changed."))
    changed_by = fields.String(required=True, metadata=about("Who changed it last."))
    managed_by = fields.String(required=True, metadata=about("The set of files that declares it, or empty."))


class TargetPutAnswer(StoredTargetAnswer, ComparisonAnswer):
    """What was stored, or with dry_run would be."""


class TargetMembersAnswer(StoredTargetAnswer):
    """A stored target and the hosts that it names now."""

    hosts = fields.List(
        fields.String(), required=True, metadata=about("The hosts that it names now, whether or not they take work.")
    )
    notes = fields.List(fields.String(), required=True, metadata=about("Parts of the expression that match nothing."))


class TargetListAnswer(ma.Schema):
    """All stored targets, by name."""

    targets = fields.List(fields.Nested(StoredTargetAnswer), required=True)
    total = fields.Integer(required=True)
