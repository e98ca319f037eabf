"""Operations in answers."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import about


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
