"""The shapes of /schedule."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.comparison import ComparisonAnswer
from api.native.fields import Data, Flag, Line, Moment, QueryFlag, QueryWhole, Text, about, between, length
from api.native.job_request_schemas import EXAMPLE_OPERATION
from api.validation import StrictSchema
from jobqueue.ledger.schedules import MAX_PAGE
from jobqueue.model.durations import parse_duration, show_duration
from jobqueue.model.job_fields import MAX_DESCRIPTION
from jobqueue.model.record_name import MAX_NAME
from jobqueue.model.schedule import PREVIEWED, Outcome, Overlap
from jobqueue.model.states import FINAL_STATUSES, JobStatus
from jobqueue.model.stored_limits import KEPT_RESULTS
from jobqueue.operations.schema import Items
from jobqueue.schedules import times
from jobqueue.schedules.cron import MAX_EXPRESSION
from jobqueue.schedules.recurrence import MAX_RULE

_OVERLAPS = [str(overlap) for overlap in Overlap]
_ENDS = sorted(str(status) for status in FINAL_STATUSES)
#: Maximum length of the name of what a schedule follows.
MAX_SAVED = 100
_OUTCOMES = [str(outcome) for outcome in Outcome]
#: In place of a duration for `catch_up`.
NEVER = "never"


class Duration(fields.Field[Any]):
    """A duration as text (``"15m"``) or in seconds, loaded as microseconds. ``words`` are texts that mean None."""

    default_error_messages = {  # noqa: RUF012 (marshmallow's own convention)
        "required": "Missing; it is required.",
        "null": "May not be null; leave it out or give a value.",
        "validator_failed": "Invalid value.",
        "invalid": "Must be a duration such as 90s, 15m, 1h30m or 2d, or a number of seconds.",
        "range": "Must be from {least} to {most}.",
    }

    def __init__(self, least: int, most: int, *words: str, **options: Any) -> None:
        self._least, self._most, self._words = least, most, words
        metadata = options.pop("metadata")
        super().__init__(metadata={"oneOf": [{"type": "string"}, {"type": "number"}], **metadata}, **options)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if value in self._words:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.make_error("invalid")
        try:
            seconds = parse_duration(value) if isinstance(value, str) else float(value)
            micros = round(seconds * 1_000_000)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error
        if not self._least <= micros <= self._most:
            raise self.make_error("range", least=show_duration(self._least), most=show_duration(self._most))
        return micros


class BlackoutRequest(StrictSchema):
    """Windows in which the schedule does not fire."""

    cron = Text(
        required=True,
        validate=length(1, MAX_EXPRESSION),
        metadata=about("When a window begins, as a cron expression in the schedule's time zone.", example="0 22 * * 5"),
    )
    duration = Duration(
        times.MIN_BLACKOUT, times.MAX_BLACKOUT, required=True, metadata=about("How long it lasts.", example="2d")
    )


class TimingRequest(StrictSchema):
    """When a schedule fires: exactly one of cron, every, at and rrule."""

    cron = Text(
        metadata=about(
            "Five fields (minute, hour, day of the month, month, day of the week) as Debian's cron reads them, or "
            "@hourly, @daily, @weekly, @monthly, @yearly.",
            example="0 3 * * 1-5",
        )
    )
    every = Duration(times.MIN_EVERY, times.MAX_EVERY, metadata=about("A fixed interval between times.", example="15m"))
    at = Moment(metadata=about("A single time."))
    rrule = Text(
        validate=length(1, MAX_RULE),
        metadata=about(
            "A recurrence rule of RFC 5545, from DAILY to YEARLY.", example="FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18"
        ),
    )
    time_zone = Text(
        load_default="UTC",
        validate=length(1, 64),
        metadata=about("The time zone of cron and rrule, by its IANA name.", example="Europe/Berlin"),
    )
    anchor = Moment(
        metadata=about(
            "The time from which every and rrule count. Default: starts; else, for every, its length after the "
            "schedule is stored, and for rrule, the midnight before."
        )
    )
    starts = Moment(metadata=about("No time before this one."))
    ends = Moment(metadata=about("No time after this one."))
    jitter = Duration(
        0,
        times.MAX_JITTER,
        load_default=0,
        metadata=about(
            "Each time is delayed by a random share of this, which differs between schedules and times.", default=0
        ),
    )
    blackouts = Items(
        fields.Nested(BlackoutRequest),
        load_default=list,
        validate=validate.Length(0, times.MAX_BLACKOUTS, error="Must be at most {max}."),
        error_messages={"null": "May not be null; leave it out or give a list.", "invalid": "Must be a list."},
        metadata=about("Windows in which the schedule does not fire."),
    )


class AfterRequest(StrictSchema):
    """The jobs that a schedule follows, instead of times: it fires when one of them has ended."""

    saved = Text(validate=length(1, MAX_SAVED), metadata=about("The jobs of this saved job.", example="deploy"))
    configuration = Text(validate=length(1, MAX_SAVED), metadata=about("The runs of this stored configuration."))
    status = Items(
        Text(validate=validate.OneOf(_ENDS, error="Must be one of {choices}.")),
        load_default=lambda: [str(JobStatus.COMPLETED)],
        validate=validate.Length(1, len(_ENDS), error="Must be from {min} to {max}."),
        error_messages={"null": "May not be null; leave it out or give a list.", "invalid": "Must be a list."},
        metadata=about("It fires when the job has ended with one of these.", default=[str(JobStatus.COMPLETED)]),
    )


class ScheduleRequest(TimingRequest):
    """A schedule to store under the name in the path."""

    after = fields.Nested(
        AfterRequest,
        error_messages={"null": "May not be null; leave it out or give an object."},
        metadata=about("The jobs that it follows, in place of cron, every, at and rrule."),
    )

    job = Data(
        required=True,
        metadata=about(
            "The jobs that it makes: a body of POST /job, without idempotency_key, plan_hash, not_before, expires_at; "
            'or a saved job, {"saved": "deploy", "parameters": {"version": "1.4"}}, with target_hostname if it allows '
            "another target. Its newest version runs at each time. Or a workflow, "
            '{"workflow": "upgrade", "parameters": {...}}: each time starts a run of it.',
            example={"operation": {"type": EXAMPLE_OPERATION}, "target_hostname": "_all"},
        ),
    )
    description = Line(load_default="", validate=length(0, MAX_DESCRIPTION), metadata=about("What it is for."))
    overlap = Text(
        load_default=str(Overlap.SKIP),
        validate=validate.OneOf(_OVERLAPS, error="Must be one of {choices}."),
        metadata=about("What to do if the last job has not ended when a time comes."),
    )
    catch_up = Duration(
        0,
        times.MAX_CATCH_UP,
        NEVER,
        load_default=0,
        metadata=about(
            f"How far back missed times are made up for, one by one; the newest always is, unless this is {NEVER}.",
            default=0,
        ),
    )
    expires_after = Duration(
        times.SECOND,
        times.MAX_EVERY,
        metadata=about(
            "Executions that have not started this long after the time expire; offline hosts are waited for."
        ),
    )
    paused = Line(
        validate=length(1, MAX_DESCRIPTION), metadata=about("The reason to store it paused. Default: not paused.")
    )
    managed_by = Text(
        load_default="",
        validate=length(0, 100),
        metadata=about("The set of files that declares it; empty if it was edited by hand."),
    )


class SchedulePutQuery(StrictSchema):
    """How to store a schedule."""

    dry_run = QueryFlag(load_default=False, metadata=about("Only validate it, and return what would change."))
    assume = QueryFlag(
        load_default=False,
        metadata=about(
            "With dry_run: assume stored the saved job and the targets that its job names. Only the form of its job "
            "is checked."
        ),
    )


class NamedScheduleRequest(ScheduleRequest):
    """A schedule to store, and its name."""

    name = Text(
        required=True,
        validate=length(1, MAX_NAME),
        metadata=about("Letters, digits and . _ -, beginning and ending with a letter or digit.", example="nightly"),
    )


class SchedulePauseRequest(StrictSchema):
    """Why a schedule is paused."""

    reason = Line(load_default="", validate=length(0, MAX_DESCRIPTION), metadata=about("Shown with the pause."))


class BackfillRequest(StrictSchema):
    """A past range of times."""

    begin = Moment(
        required=True, data_key="from", metadata=about("The first time, or a moment before it.", example="2026-01-01")
    )
    end = Moment(
        required=True,
        data_key="to",
        metadata=about("The last time, or a moment after it; not later than now.", example="2026-01-02"),
    )
    dry_run = Flag(load_default=False, metadata=about("Only list the times.", default=False))


class BackfilledTimeAnswer(ma.Schema):
    """What became of a time."""

    time = fields.DateTime(required=True)
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["backfilled", "exists", "refused", "planned"]),
        metadata=about(
            "Its job was made now, exists already, or was refused for the reason; with dry_run: would be made, unless "
            "it exists."
        ),
    )
    job_id = fields.UUID(required=True, allow_none=True)
    reason = fields.String(required=True, metadata=about("Why no job was made."))


class BackfillAnswer(ma.Schema):
    """The first times of a range, and what became of them."""

    times = fields.List(fields.Nested(BackfilledTimeAnswer), required=True)
    total = fields.Integer(required=True, metadata=about("Number of times in the whole range."))
    next_from = fields.DateTime(
        required=True,
        allow_none=True,
        metadata=about("To continue, send it as `from`; null at the end of the range."),
    )


class ScheduleQuery(StrictSchema):
    """Which schedules to list."""

    limit = QueryWhole(
        load_default=50, validate=between(1, MAX_PAGE), metadata=about("Maximum number of schedules on a page.")
    )
    cursor = Text(validate=length(1, 300), metadata=about("The next_cursor of the previous page."))


class SchedulePauseAnswer(ma.Schema):
    """Why a schedule is paused, since when, and who paused it."""

    reason = fields.String(required=True)
    by = fields.String(required=True)
    at = fields.DateTime(required=True)


class ResultAnswer(ma.Schema):
    """The result of one time of a schedule, or of several consecutive times with the same outcome."""

    time = fields.DateTime(required=True, metadata=about("The time; of several, the first."))
    last_time = fields.DateTime(required=True, metadata=about("Of several times the last."))
    decided = fields.DateTime(required=True, metadata=about("When this was decided."))
    outcome = fields.String(required=True, validate=validate.OneOf(_OUTCOMES))
    count = fields.Integer(required=True, metadata=about("How many times; at least, from 1,000 on."))
    job_id = fields.UUID(required=True, allow_none=True, metadata=about("The job that was made."))
    reason = fields.String(required=True, metadata=about("Why no job was made."))


class BlackoutAnswer(ma.Schema):
    """Windows in which the schedule does not fire."""

    cron = fields.String(required=True)
    duration = fields.String(required=True)


class AfterAnswer(ma.Schema):
    """The jobs that a schedule follows: of a saved job, or of a stored configuration."""

    saved = fields.String()
    configuration = fields.String()
    status = fields.List(fields.String(validate=validate.OneOf(_ENDS)), required=True)


class ScheduleAnswer(ma.Schema):
    """A schedule."""

    name = fields.String(required=True)
    description = fields.String(required=True)
    cron = fields.String(required=True, allow_none=True)
    every = fields.String(required=True, allow_none=True)
    at = fields.DateTime(required=True, allow_none=True)
    rrule = fields.String(required=True, allow_none=True)
    after = fields.Nested(AfterAnswer, required=True, allow_none=True)
    time_zone = fields.String(required=True)
    anchor = fields.DateTime(required=True, allow_none=True)
    starts = fields.DateTime(required=True, allow_none=True)
    ends = fields.DateTime(required=True, allow_none=True)
    jitter = fields.String(required=True)
    blackouts = fields.List(fields.Nested(BlackoutAnswer), required=True)
    job = fields.Dict(required=True, metadata=about("The jobs that it makes, as they were given."))
    overlap = fields.String(required=True, validate=validate.OneOf(_OVERLAPS))
    catch_up = fields.String(required=True)
    expires_after = fields.String(required=True, allow_none=True)
    pause = fields.Nested(SchedulePauseAnswer, required=True, allow_none=True)
    managed_by = fields.String(required=True, metadata=about("The set of files that declares it, or empty."))
    owner = fields.String(required=True, metadata=about("The principal whose permissions its jobs have."))
    created = fields.DateTime(required=True)
    changed = fields.DateTime(required=True)
    changed_by = fields.String(required=True)
    next_time = fields.DateTime(required=True, allow_none=True, metadata=about("null if no time follows."))
    last_job_id = fields.UUID(required=True, allow_none=True)
    results = fields.List(
        fields.Nested(ResultAnswer),
        required=True,
        metadata=about(f"Its results, newest first: the last {KEPT_RESULTS}, in lists only the last one."),
    )


class SchedulePutAnswer(ScheduleAnswer, ComparisonAnswer):
    """What was stored, or with dry_run would be."""


class ScheduleDetailAnswer(ScheduleAnswer):
    """A schedule and its next times."""

    next_times = fields.List(
        fields.DateTime(), required=True, metadata=about(f"The next {PREVIEWED} times, without those in blackouts.")
    )


class ScheduleListAnswer(ma.Schema):
    """One page of schedules, by name."""

    schedules = fields.List(fields.Nested(ScheduleAnswer), required=True)
    total = fields.Integer(required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class PreviewedTime(ma.Schema):
    """A time of a schedule."""

    time = fields.DateTime(required=True)
    local = fields.String(required=True, metadata=about("The same in the time zone of the schedule."))


class PreviewAnswer(ma.Schema):
    """The next times of a schedule."""

    time_zone = fields.String(required=True)
    times = fields.List(fields.Nested(PreviewedTime), required=True)
