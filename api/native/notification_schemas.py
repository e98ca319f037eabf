"""The shapes of /notification."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.comparison import ComparisonAnswer
from api.native.fields import Line, QueryFlag, QueryWhole, Tags, Text, about, between, length
from api.native.schedule_schemas import BlackoutAnswer, BlackoutRequest, Duration, SchedulePauseAnswer
from api.validation import StrictSchema
from jobqueue.ledger.notifications import MAX_PAGE
from jobqueue.model.job_fields import MAX_DESCRIPTION
from jobqueue.model.notification import (
    CHANNELS,
    EVENTS,
    KEPT_DEAD_LETTERS,
    KEPT_DELIVERIES,
    MOST_PATTERNS,
    RESULTS,
)
from jobqueue.model.record_name import MAX_NAME
from jobqueue.operations.schema import Items
from jobqueue.schedules import times
from jobqueue.services.notifications.webhook import MAX_URL
from jobqueue.targets.limits import MAX_TEXT
from jobqueue.trust.secrets.reference import KEY, faults

_PATTERN_LENGTH = 256
#: The longest time over which events are grouped, in microseconds.
MAX_GROUP = 3600 * times.SECOND
_REFERENCE = {
    "type": "object",
    "properties": {KEY: {"type": "string"}},
    "required": [KEY],
    "additionalProperties": False,
}


def _check_reference(value: dict[str, Any]) -> None:
    problems = faults({"": value})
    if problems:
        raise ma.ValidationError(problems[""])


class SecretReference(fields.Field[Any]):
    """``{"$secret": "name"}``, loaded as the name of the secret."""

    default_error_messages = {  # noqa: RUF012 (marshmallow's own convention)
        "required": "Missing; it is required.",
        "null": "May not be null; leave it out or give a value.",
        "invalid": 'Must be {{"$secret": "name"}}: the name of a secret of the API. Its value is never sent.',
    }

    def __init__(self, **options: Any) -> None:
        metadata = options.pop("metadata")
        super().__init__(metadata={**_REFERENCE, **metadata}, **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict) or KEY not in value:
            raise self.make_error("invalid")
        _check_reference(value)
        return value[KEY]


class UrlOrSecret(fields.Field[Any]):
    """A URL, or a reference to a secret that holds it; loaded as it is."""

    default_error_messages = {  # noqa: RUF012
        "required": "Missing; it is required.",
        "null": "May not be null; leave it out or give a value.",
        "invalid": 'Must be a URL, or {{"$secret": "name"}} for one that is a secret of the API.',
        "length": f"Must be 1 to {MAX_URL} characters long.",
    }

    def __init__(self, **options: Any) -> None:
        metadata = options.pop("metadata")
        super().__init__(metadata={"oneOf": [{"type": "string"}, _REFERENCE], **metadata}, **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict) and KEY in value:
            _check_reference(value)
            return value
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if not 1 <= len(value) <= MAX_URL:
            raise self.make_error("length")
        return value


class ChannelRequest(StrictSchema):
    """Where notifications go."""

    type = Text(
        required=True,
        validate=validate.OneOf(CHANNELS, error="Unknown channel; must be one of {choices}."),
        metadata=about("The kind of channel.", example="webhook"),
    )
    url = UrlOrSecret(
        required=True, metadata=about("The address of the receiver.", example="https://hooks.example.org/jobqueue")
    )
    secret = SecretReference(
        metadata=about("Of a webhook: the key that signs its messages.", example={KEY: "hook-key"})
    )


def _patterns(text: str) -> Items:
    return Items(
        Text(validate=length(1, _PATTERN_LENGTH)),
        validate=validate.Length(0, MOST_PATTERNS, error="Must be at most {max}."),
        error_messages={"null": "May not be null; leave it out or give a list.", "invalid": "Must be a list."},
        metadata=about(text),
    )


class FilterRequest(StrictSchema):
    """Which of the events; each field that is given must match one of its values, in which * stands for any text."""

    hosts = _patterns("Hostnames, without *: jobs with an execution on one of them, and alerts that name one of them.")
    target = Text(
        validate=length(1, MAX_TEXT),
        metadata=about(
            "A target expression, evaluated for each event: jobs with an execution on a host that it names, and "
            "alerts that name one. Without samples, stored targets, hosts of jobs, states and conditions.",
            example="group:web and not zone:lab",
        ),
    )
    operations = _patterns("Operations of jobs.")
    saved = _patterns("Names of the saved jobs that jobs were made from.")
    submitters = _patterns("Principals who submitted jobs.")
    tags = Tags(metadata=about("Tags that jobs must have, all of them."))
    schedules = _patterns("Names of schedules.")
    workflows = _patterns("Names of workflows.")
    alerts = _patterns("Kinds of alerts.")


class NotificationRequest(StrictSchema):
    """A notification rule to store under the name in the path."""

    events = Items(
        Text(validate=length(1, _PATTERN_LENGTH)),
        required=True,
        validate=validate.Length(1, MOST_PATTERNS, error="Must be 1 to {max}."),
        error_messages={
            "required": "Missing; it is required.",
            "null": "May not be null; leave it out or give a list.",
            "invalid": "Must be a list.",
        },
        metadata=about(
            f"Names of events: {', '.join(EVENTS)}; or patterns in which * stands for any text.",
            example=["job.failed", "job.partial_failure"],
        ),
    )
    channel = fields.Nested(ChannelRequest, required=True)
    filter = fields.Nested(FilterRequest, load_default=dict, metadata=about("Restricts the events. Default: all."))
    description = Line(load_default="", validate=length(0, MAX_DESCRIPTION), metadata=about("What it is for."))
    group = Duration(
        0,
        MAX_GROUP,
        load_default=0,
        metadata=about("An event and those that follow it within this time are sent as one message.", default=0),
    )
    quiet_hours = Items(
        fields.Nested(BlackoutRequest),
        load_default=list,
        validate=validate.Length(0, times.MAX_BLACKOUTS, error="Must be at most {max}."),
        error_messages={"null": "May not be null; leave it out or give a list.", "invalid": "Must be a list."},
        metadata=about("Windows in which nothing is sent; messages wait until the window ends."),
    )
    time_zone = Text(
        load_default="UTC",
        validate=length(1, 64),
        metadata=about("The time zone of quiet_hours, by its IANA name.", example="Europe/Berlin"),
    )
    paused = Line(
        validate=length(1, MAX_DESCRIPTION),
        metadata=about("The reason to store it paused: its events are not reported. Default: not paused."),
    )
    managed_by = Text(
        load_default="",
        validate=length(0, 100),
        metadata=about("The set of files that declares it; empty if it was edited by hand."),
    )


class NotificationPutQuery(StrictSchema):
    """How to store a rule."""

    dry_run = QueryFlag(load_default=False, metadata=about("Only validate it, and return what would change."))


class NotificationQuery(StrictSchema):
    """Which rules to list."""

    limit = QueryWhole(
        load_default=50, validate=between(1, MAX_PAGE), metadata=about("Maximum number of rules on a page.")
    )
    cursor = Text(validate=length(1, 300), metadata=about("The next_cursor of the previous page."))


class ResendRequest(StrictSchema):
    """Which dead letters to send again."""

    id = Text(validate=length(1, MAX_NAME), metadata=about("The id of one message. Default: all, the oldest first."))


class ChannelAnswer(ma.Schema):
    """Where notifications go. Secrets are shown by name."""

    type = fields.String(required=True, validate=validate.OneOf(CHANNELS))
    url = fields.Raw(required=True, metadata={"oneOf": [{"type": "string"}, _REFERENCE]})
    secret = fields.Raw(metadata=_REFERENCE)


class FilterAnswer(ma.Schema):
    """Which of the events; fields without restriction are left out."""

    hosts = fields.List(fields.String())
    target = fields.String()
    operations = fields.List(fields.String())
    saved = fields.List(fields.String())
    submitters = fields.List(fields.String())
    tags = fields.Dict(keys=fields.String(), values=fields.String())
    schedules = fields.List(fields.String())
    workflows = fields.List(fields.String())
    alerts = fields.List(fields.String())


class DeliveryAnswer(ma.Schema):
    """An attempt to send a message."""

    at = fields.DateTime(required=True)
    result = fields.String(required=True, validate=validate.OneOf(RESULTS))
    message_id = fields.String(required=True)
    event = fields.String(required=True)
    count = fields.Integer(required=True, metadata=about("How many events the message is about."))
    error = fields.String(required=True, metadata=about("Its error, or empty."))


class NotificationAnswer(ma.Schema):
    """A notification rule."""

    name = fields.String(required=True)
    description = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    filter = fields.Nested(FilterAnswer, required=True)
    channel = fields.Nested(ChannelAnswer, required=True)
    group = fields.String(required=True)
    quiet_hours = fields.List(fields.Nested(BlackoutAnswer), required=True)
    time_zone = fields.String(required=True)
    pause = fields.Nested(SchedulePauseAnswer, required=True, allow_none=True)
    managed_by = fields.String(required=True, metadata=about("The set of files that declares it, or empty."))
    owner = fields.String(required=True, metadata=about("The principal whose permissions it needs."))
    created = fields.DateTime(required=True)
    changed = fields.DateTime(required=True)
    changed_by = fields.String(required=True)
    delivered = fields.Integer(required=True, metadata=about("Messages that were delivered."))
    failed = fields.Integer(required=True, metadata=about("Attempts that failed."))
    dead_letters = fields.Integer(
        required=True, metadata=about(f"Dead letters that are kept, at most {KEPT_DEAD_LETTERS}.")
    )
    attempts = fields.Integer(required=True, metadata=about("Failed attempts to send the message that comes next."))
    next_attempt = fields.DateTime(required=True, allow_none=True)
    error = fields.String(required=True, metadata=about("The error of the last attempt, or empty."))
    deliveries = fields.List(
        fields.Nested(DeliveryAnswer),
        required=True,
        metadata=about(f"Its attempts, newest first: the last {KEPT_DELIVERIES}, in lists only the last one."),
    )


class NotificationPutAnswer(NotificationAnswer, ComparisonAnswer):
    """What was stored, or with dry_run would be."""


class NotificationListAnswer(ma.Schema):
    """One page of notification rules, by name."""

    notifications = fields.List(fields.Nested(NotificationAnswer), required=True)
    total = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class SentAnswer(ma.Schema):
    """How many messages were delivered."""

    sent = fields.Integer(required=True)
    left = fields.Integer(required=True, metadata=about("Number of messages that were not delivered and remain."))
    error = fields.String(required=True, metadata=about("The error of the first of these, or empty."))


class DeadLetterAnswer(ma.Schema):
    """A message that was given up."""

    id = fields.String(required=True)
    event = fields.String(required=True)
    count = fields.Integer(required=True)
    given_up = fields.DateTime(required=True)
    error = fields.String(required=True)
    content = fields.Dict(required=True, metadata=about("The message as a webhook's receiver gets it."))


class DeadLetterListAnswer(ma.Schema):
    """The dead letters of a rule, oldest first."""

    dead_letters = fields.List(fields.Nested(DeadLetterAnswer), required=True)
