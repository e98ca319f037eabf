"""The shape of every error."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import about


class ErrorAnswer(ma.Schema):
    """Every error, on every route."""

    error = fields.String(required=True, metadata=about("A human-readable explanation."))
    code = fields.Integer(required=True, metadata=about("The HTTP status."))
    details = fields.Dict(
        required=True, allow_none=True, metadata=about("Messages by field: {field: [messages]}; or null.")
    )
