"""The triggers of a configuration's schedule, and the schedule that fires them.

A configuration has at most one trigger: one schedule, which each change replaces in one step. A cron string has seconds
first, as Quartz and Spring read it. Where the two differ (numbers of weekdays, two restricted days) it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from api.fusion.scheduled import CONFIGURATION, group_of
from api.fusion.times import micros
from jobqueue.errors import InvalidInput
from jobqueue.model.record_name import check_record_name
from jobqueue.model.schedule import After, Owner, Pause, Schedule, Timing
from jobqueue.model.states import JobStatus
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.times import MAX_EVERY, SECOND

_PREFIX = "fusion."
_DISABLED = "disabled in the Jobs API"
_NOT_STORED = Owner("", "", "")
_CRON, _INTERVAL = "cron", "interval"
_JOB, _RESOURCE = "job", "spark:"
#: Fields of a trigger by the end of another job -> the statuses of its run.
_ENDS = {
    "runOnSuccess": (JobStatus.COMPLETED,),
    "runOnFailure": (JobStatus.FAILED, JobStatus.PARTIAL_FAILURE),
    "runOnAbort": (JobStatus.CANCELLED,),
}
#: A trigger that only answers of Fusion name; its fields are not documented.
_UNKNOWN = "job_completion"
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_MONTH = "month"
UNITS = (*_SECONDS, _MONTH)
_MAX_INTERVAL = 100_000
_FIELDS = {
    _CRON: frozenset({"value", "expression"}),
    _INTERVAL: frozenset({"interval", "repeatUnit", "timeUnit", "startTime", "endTime"}),
    _JOB: frozenset({"jobID", *_ENDS}),
}
_MONTHLY = re.compile(r"FREQ=MONTHLY;INTERVAL=([0-9]+)")
_STARS = ("*", "?")
_BEGIN = re.compile(r"([0-9]{1,2})/")
#: The largest value of each field after the seconds, for a step that begins at a number.
_MOST = (59, 23, 31, 12, 7)

_TRIGGER = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": [_CRON, _INTERVAL, _JOB]},
        "enabled": {"type": "boolean"},
        "value": {"type": "string", "description": "cron: seconds (0), minute, hour, day, month, weekday by its name."},
        "interval": {"type": "integer", "minimum": 1, "maximum": _MAX_INTERVAL},
        "repeatUnit": {"type": "string", "enum": list(UNITS)},
        "startTime": {"type": "string", "format": "date-time"},
        "endTime": {"type": "string", "format": "date-time"},
        "jobID": {"type": "string", "description": "job: the configuration whose runs it follows, spark:ID."},
        **{name: {"type": "boolean"} for name in _ENDS},
    },
    "required": ["type"],
}
SCHEDULE_BODY = {
    "type": "object",
    "properties": {"enabled": {"type": "boolean"}, "triggers": {"type": "array", "maxItems": 1, "items": _TRIGGER}},
    "required": ["triggers"],
}


def schedule_name(config_id: str) -> str:
    """The name of the schedule of a configuration. Raises ``InvalidInput`` if its id cannot be part of one."""
    try:
        return check_record_name(f"{_PREFIX}{config_id}")
    except InvalidInput as error:
        sentence = (
            f"{config_id!r} cannot have a schedule: its name would be {_PREFIX}{config_id}, which has more than 64 "
            "characters or ends with - or _."
        )
        raise InvalidInput.of("resource", sentence) from error


def read(resource: str, config_id: str, body: Mapping[str, Any]) -> Schedule | None:
    """The schedule that the body of a request wants; None: no trigger. Raises ``InvalidInput``."""
    _check_names(body, {"resource", "enabled", "triggers", "default"}, "")
    if body.get("resource", resource) != resource:
        raise InvalidInput.of("resource", f"Differs from the one in the path, {resource!r}.")
    triggers, is_enabled = body.get("triggers"), _flag(body, "enabled")
    if not isinstance(triggers, list):
        raise InvalidInput.of("triggers", "Must be a list; an empty one removes the schedule.")
    if len(triggers) > 1:
        raise InvalidInput.of("triggers", "At most one is allowed; create schedules for the others: POST /schedule.")
    if not triggers:
        return None
    (trigger,) = triggers
    if not isinstance(trigger, Mapping):
        raise InvalidInput.of("triggers.0", "Must be an object.")
    timing, after = (Timing(), _after(trigger)) if trigger.get("type") == _JOB else (_timing(trigger), None)
    is_enabled = _flag(trigger, "enabled", "triggers.0.") and is_enabled
    return Schedule(
        name=schedule_name(config_id),
        uid="",
        serial="",
        timing=timing,
        content={CONFIGURATION: config_id},
        owner=_NOT_STORED,
        pause=None if is_enabled else Pause(_DISABLED, "", 0),
        after=after,
    )


def document(resource: str, schedule: Schedule | None) -> dict[str, Any]:
    """The schedule as this API shows it."""
    if schedule is None:
        return {"resource": resource, "enabled": False, "triggers": []}
    is_enabled = schedule.pause is None
    return {"resource": resource, "enabled": is_enabled, "triggers": [_shown(schedule, is_enabled=is_enabled)]}


def _shown(schedule: Schedule, *, is_enabled: bool) -> dict[str, Any]:
    """The trigger of a schedule; one that was changed to something else is named."""
    timing, after = schedule.timing, schedule.after
    if after is not None and after.kind == CONFIGURATION:
        ends = {name: all(str(status) in after.status for status in statuses) for name, statuses in _ENDS.items()}
        return {"type": _JOB, "enabled": is_enabled, "jobID": f"{_RESOURCE}{after.name}"} | ends
    if timing.cron is not None and not timing.cron.startswith("@"):
        return {"type": _CRON, "enabled": is_enabled, "value": f"0 {timing.cron}"}
    monthly = _MONTHLY.fullmatch(timing.rrule or "")
    if timing.every is not None:
        seconds = timing.every // SECOND
        unit = next(unit for unit in ("day", "hour", "minute", "second") if seconds % _SECONDS[unit] == 0)
        number = seconds // _SECONDS[unit]
    elif monthly:
        number, unit = int(monthly[1]), _MONTH
    else:
        return {"type": "schedule", "enabled": is_enabled, "value": schedule.name}
    moments = {"startTime": timing.starts, "endTime": timing.ends}
    times = {name: to_iso(moment) for name, moment in moments.items() if moment is not None}
    return {"type": _INTERVAL, "enabled": is_enabled, "interval": number, "repeatUnit": unit, "timeUnit": unit} | times


def _timing(trigger: Mapping[str, Any]) -> Timing:
    kind = trigger.get("type")
    if kind == _UNKNOWN:
        sentence = f"{_UNKNOWN} is not supported; the type {_JOB} has jobID, {', '.join(_ENDS)}."
        raise _invalid("type", sentence)
    if not isinstance(kind, str) or kind not in _FIELDS:
        problem = "Missing" if kind is None else f"Unknown type {str(kind)[:40]!r}"
        raise _invalid("type", f"{problem}; the types are {', '.join(_FIELDS)}.")
    _check_names(trigger, {"type", "enabled", *_FIELDS[kind]}, "triggers.0.")
    if kind == _CRON:
        return Timing(cron=_cron(trigger.get("value", trigger.get("expression"))))
    starts, ends = (_moment(trigger, name) for name in ("startTime", "endTime"))
    if None not in (starts, ends) and ends <= starts:  # type: ignore[operator]
        raise _invalid("endTime", "Is not after startTime; swap them.")
    number, unit = trigger.get("interval"), trigger.get("repeatUnit", trigger.get("timeUnit"))
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= _MAX_INTERVAL:
        raise _invalid("interval", f"Must be a whole number from 1 to {_MAX_INTERVAL}.")
    if not isinstance(unit, str) or unit not in UNITS:
        raise _invalid("repeatUnit", f"Must be one of {', '.join(UNITS)}.")
    if unit == _MONTH:
        return Timing(rrule=f"FREQ=MONTHLY;INTERVAL={number}", starts=starts, ends=ends)
    every = number * _SECONDS[unit] * SECOND
    if every > MAX_EVERY:
        raise _invalid("interval", f"Is longer than {MAX_EVERY // SECOND // _SECONDS['day']} days.")
    return Timing(every=every, starts=starts, ends=ends)


def _after(trigger: Mapping[str, Any]) -> After:
    _check_names(trigger, {"type", "enabled", *_FIELDS[_JOB]}, "triggers.0.")
    job = trigger.get("jobID")
    if not isinstance(job, str) or not job.removeprefix(_RESOURCE) or ":" in job.removeprefix(_RESOURCE):
        raise _invalid("jobID", f"Must be the resource of a configuration: {_RESOURCE}ID.")
    statuses = [
        str(status)
        for name, ends in _ENDS.items()
        if name in trigger and _flag(trigger, name, "triggers.0.")
        for status in ends
    ]
    if not statuses:
        raise _invalid("runOnSuccess", f"At least one of {', '.join(_ENDS)} must be true.")
    config_id = job.removeprefix(_RESOURCE)
    return After(CONFIGURATION, config_id, group_of(config_id), tuple(statuses))


def _cron(text: Any) -> str:
    """The cron expression of a schedule with the same times; its fields are checked when it is stored."""
    if not isinstance(text, str):
        raise _invalid("value", "Must be a cron string, such as 0 */10 * * * *.")
    words = text.upper().split()
    if len(words) not in (6, 7):
        raise _invalid(
            "value", f"{text[:80]!r} has {len(words)} fields; give six: seconds, minute, hour, day, month, weekday."
        )
    seconds, *fields = words[:6]
    if seconds not in ("0", "00"):
        raise _invalid("value", f"Has the seconds {seconds[:20]!r}; schedules begin at full minutes: 0.")
    if words[6:] and words[6] not in _STARS:
        raise _invalid("value", f"Has the year {words[6][:20]!r}; an interval has startTime and endTime instead.")
    days, weekdays = fields[2], fields[4]
    if days not in _STARS and weekdays not in _STARS:
        raise _invalid("value", "Has a day of the month and a day of the week; give one of them.")
    if any(letter.isdigit() for letter in weekdays.partition("#")[0]):
        raise _invalid("value", "Has a number as the day of the week, which some count from 0 and some from 1: MON.")
    return " ".join(_plain(field, most) for field, most in zip(fields, _MOST, strict=True))


def _plain(field: str, most: int) -> str:
    """The field as cron knows it: no ?, and a range before a step, for 5/15 is from 5 on."""
    items = (_BEGIN.sub(rf"\1-{most}/", item) if _BEGIN.match(item) else item for item in field.split(","))
    return "*" if field == "?" else ",".join(items)


def _moment(trigger: Mapping[str, Any], name: str) -> int | None:
    text = trigger.get(name)
    if text is None:
        return None
    try:
        return micros(text)
    except ValidationError as error:
        raise _invalid(name, "Must be a time in ISO 8601, such as 2027-01-31T12:00:00Z.") from error


def _flag(body: Mapping[str, Any], name: str, path: str = "") -> bool:
    value = body.get(name, True)
    if not isinstance(value, bool):
        raise InvalidInput.of(f"{path}{name}", "Must be true or false.")
    return value


def _check_names(body: Mapping[str, Any], known: set[str], path: str) -> None:
    unknown = sorted(body.keys() - known)
    if unknown:
        raise InvalidInput.of(
            f"{path}{unknown[0][:80]}", f"Unknown field; the fields here are {', '.join(sorted(known))}."
        )


def _invalid(name: str, sentence: str) -> InvalidInput:
    return InvalidInput.of(f"triggers.0.{name}", sentence)
