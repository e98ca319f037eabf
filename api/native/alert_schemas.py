"""The shapes of /alert."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import fields

from api.native.fields import Line, Text, about, length
from api.validation import StrictSchema

#: Hosts of a group of alerts that an answer names.
MOST_HOSTS = 20
_LONGEST_NOTE = 500


class AcknowledgeRequest(StrictSchema):
    """Acknowledges the alerts of a kind."""

    version = Text(
        load_default=None,
        allow_none=True,
        validate=length(1, 64),
        metadata=about("The version of the alerts that were seen: if they have changed since, the answer is 409."),
    )
    note = Line(
        load_default="",
        validate=length(0, _LONGEST_NOTE),
        metadata=about("A note for others, such as the cause or a ticket."),
    )


class AcknowledgementAnswer(ma.Schema):
    """Who acknowledged the alerts of a kind."""

    by = fields.String(required=True)
    at = fields.DateTime(required=True)
    note = fields.String(required=True)


class AlertGroupAnswer(ma.Schema):
    """The alerts of one kind that are stored."""

    kind = fields.String(required=True, metadata=about("A counter has this name too."))
    count = fields.Integer(required=True)
    first = fields.DateTime(required=True)
    last = fields.DateTime(required=True)
    message = fields.String(required=True, metadata=about("Of the newest, as are job_id and hostname."))
    job_id = fields.String(required=True)
    hostname = fields.String(required=True)
    hosts = fields.List(fields.String(), required=True, metadata=about("At most 20, those of the newest first."))
    version = fields.String(required=True, metadata=about("Changes with each new or updated alert of the kind."))
    acknowledged = fields.Boolean(required=True, metadata=about("False again once the version has changed."))
    acknowledgement = fields.Nested(
        AcknowledgementAnswer, required=True, allow_none=True, metadata=about("The last one, also if it has lapsed.")
    )


class AlertListAnswer(ma.Schema):
    """The newest hundred alerts by kind, those that are not acknowledged first."""

    items = fields.List(fields.Nested(AlertGroupAnswer), required=True)
    total = fields.Integer(required=True, metadata=about("Number of kinds of alerts."))
    unacknowledged = fields.Integer(required=True, metadata=about("How many of them are not acknowledged."))
