"""The shapes of /pause."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate, validates_schema

from api.native.fields import Line, Moment, TagText, Text, about, length
from api.validation import StrictSchema
from jobqueue.model.pause import MAX_REASON, PauseKind
from jobqueue.model.rate import RATE_PATTERN, RATE_RULE
from jobqueue.targets.limits import MAX_TEXT

_KINDS = tuple(kind.value for kind in PauseKind)


class PauseRequest(StrictSchema):
    """What to pause: exactly one of operation, tag, target and everything."""

    operation = Text(
        validate=length(1, 200),
        metadata=about("Type of an operation, or a prefix such as `command.*`.", example="command.*"),
    )
    tag = TagText(metadata=about("Jobs with this tag, as key:value.", example="team:web"))
    target = Text(
        validate=length(1, MAX_TEXT),
        metadata=about("The target's present hosts; hosts that join later are not paused.", example="group:web"),
    )
    everything = fields.Boolean(
        truthy={True}, falsy=set(), metadata=about("true: all operations on all hosts.", enum=[True])
    )
    reason = Line(
        required=True, validate=length(1, MAX_REASON), metadata=about("The reason, shown to users whose jobs wait.")
    )
    until = Moment(metadata=about("When the pause ends automatically; default: when it is ended."))
    rate = Text(
        validate=validate.Regexp(RATE_PATTERN, error=RATE_RULE),
        metadata=about("How many executions still start during the pause; default: none.", example="10/m"),
    )

    @validates_schema
    def check(self, data: dict[str, Any], **_kwargs: Any) -> None:
        """Exactly one of the four."""
        kinds = [kind for kind in _KINDS if kind in data]
        if len(kinds) != 1:
            kinds_given = f"not {' and '.join(sorted(kinds))}" if kinds else "none is given"
            raise ma.ValidationError(f"Give exactly one of {', '.join(_KINDS)}; {kinds_given}.", "everything")


class PausedBy(ma.Schema):
    """A pause that holds back a job."""

    id = fields.String(required=True)
    what = fields.String(required=True, metadata=about("Description of what is paused.", example="operation command.*"))
    reason = fields.String(required=True)
    created_by = fields.String(required=True, metadata=about("Who paused it."))
    until = fields.DateTime(
        required=True, allow_none=True, metadata=about("When the pause ends automatically; null: never.")
    )


class PauseAnswer(PausedBy):
    """A pause."""

    kind = fields.String(required=True, metadata=about(", ".join(_KINDS) + "."))
    value = fields.String(required=True, metadata=about("The operation, tag or target; empty for everything."))
    created = fields.DateTime(required=True)
    hosts = fields.Integer(required=True, metadata=about("Number of hosts of a target; 0 for the other kinds."))
    rate = fields.String(
        required=True, allow_none=True, metadata=about("How many executions still start during the pause; null: none.")
    )
    held_back = fields.Integer(required=True, metadata=about("Executions that the pause keeps from starting."))


class PauseListAnswer(ma.Schema):
    """All pauses, the oldest first."""

    pauses = fields.List(fields.Nested(PauseAnswer), required=True)
    total = fields.Integer(required=True)
