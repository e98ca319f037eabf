"""The form that creates or edits a schedule, with a preview of its next times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import flask
from flask import Response

from api import audit, errors, following, scheduling, validation
from api.context import principal, services
from api.dashboard import pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.native.job_request_schemas import EXAMPLE_OPERATION
from api.native.schedule_mapping import declared_document, schedule_of
from api.native.schedule_schemas import NamedScheduleRequest, TimingRequest
from jobqueue.errors import InvalidInput, JobQueueError, ScheduleNotFound
from jobqueue.model.record_name import MAX_NAME
from jobqueue.model.saved_job import READ
from jobqueue.model.schedule import Overlap, Schedule, Timing
from jobqueue.model.target import ANY
from jobqueue.schedules.zones import local, zone_of

_SEE_OTHER, _FAULT = 303, 500
_SUGGESTED = 100
_BLACKOUTS, _JOB, _SERIAL = "blackouts", "job", "serial"
_TIMING = ("cron", "every", "at", "rrule", "time_zone", "anchor", "starts", "ends", "jitter")
_AFTER, _AFTER_STATUS, _SAVED = "after", "after_status", "saved"
_TERMS = ("name", "description", "overlap", "catch_up", "expires_after")
_EMPTY = {
    "time_zone": "UTC",
    "overlap": str(Overlap.SKIP),
    _JOB: json.dumps({"operation": {"type": EXAMPLE_OPERATION, "data": {}}, "target_hostname": ANY}, indent=2),
}
_FIELDS = frozenset({"name", *_TIMING, *_TERMS, _AFTER, _BLACKOUTS, _JOB})
_timing_request, _request = TimingRequest(), NamedScheduleRequest()


@blueprint.get(f"{PREFIX}/schedule")
def schedule_form() -> Response:
    """The form, empty or with the values of a schedule."""
    name = query.text("name", MAX_NAME)
    if not name:
        saved = query.text(_SAVED, MAX_NAME)
        return _page(_EMPTY | {_JOB: json.dumps({_SAVED: saved, "parameters": {}}, indent=2)} if saved else _EMPTY)
    principal().require("schedule:read")
    return _page(_values(services().schedules.get(name).schedule))


@blueprint.post(f"{PREFIX}/schedule")
def save_schedule() -> Response:
    """Show the next times, or store the schedule; show the form again with its errors."""
    values = {name: value.strip() for name, value in posted.form().items()}
    try:
        if values.get("do") == "preview":
            schedule = schedule_of("", validation.load(_timing_request, _timing_body(values)))
            return _page(values, times=_times(schedule))
        return _stored(values)
    except JobQueueError as error:
        status = errors.status_of(error)
        if status >= _FAULT:
            raise
        _, details = errors.message_and_details(error)
        answer = _page(values, _problems(error.message, details or {}), status=status)
        answer.headers.update(errors.headers_of(error))
        return answer


def _stored(values: Mapping[str, str]) -> Response:
    """Store the schedule, and lead to its page."""
    loaded = validation.load(_request, _body(values))
    schedule = schedule_of(loaded["name"], loaded)
    audit.note(schedule=schedule.name)
    following.check_source(schedule.after, principal(), services())
    submission = scheduling.submission_of(schedule.content, principal(), services())
    serial = values.get(_SERIAL, "")
    if not serial:
        services().schedules.create(schedule, submission)
    else:
        try:
            services().schedules.replace(schedule, submission, serial)
        except ScheduleNotFound as error:
            raise InvalidInput.of("name", "No schedule has this name; a name cannot be changed.") from error
    to = pages.link(f"{PREFIX}/schedules/{schedule.name}?done=stored")
    return flask.make_response(flask.redirect(to, _SEE_OTHER))


def _timing_body(values: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {name: values[name] for name in _TIMING if values.get(name)}
    lines = [line.strip() for line in values.get(_BLACKOUTS, "").splitlines() if line.strip()]
    if lines:
        body[_BLACKOUTS] = [_blackout(line) for line in lines]
    return body


def _after(values: Mapping[str, str]) -> dict[str, Any]:
    kind, colon, name = values[_AFTER].partition(":")  # as the form shows what is not a saved job
    after: dict[str, Any] = {kind: name} if colon else {_SAVED: values[_AFTER].removeprefix("@")}
    statuses = [word.strip() for word in values.get(_AFTER_STATUS, "").split(",") if word.strip()]
    return {**after, **({"status": statuses} if statuses else {})}


def _blackout(line: str) -> dict[str, str]:
    cron, slash, duration = line.rpartition("/")
    if not slash or not cron.strip():
        raise InvalidInput.of(
            _BLACKOUTS, f"{line[:80]!r} is not a cron expression and a duration, as in 0 22 * * 5 / 2d."
        )
    return {"cron": cron.strip(), "duration": duration.strip()}


def _body(values: Mapping[str, str]) -> dict[str, Any]:
    """The form as the body of a request for a schedule."""
    body = _timing_body(values) | {name: values[name] for name in _TERMS if values.get(name)}
    if values.get(_AFTER):
        body[_AFTER] = _after(values)
    try:
        job = json.loads(values.get(_JOB, ""))
    except (ValueError, RecursionError) as error:
        raise InvalidInput.of(_JOB, f"Not valid JSON: {error}.") from error
    return {**body, _JOB: job}


def _values(schedule: Schedule) -> dict[str, str]:
    """The fields of the form for a schedule."""
    document = declared_document(schedule)
    values = {name: str(document[name]) for name in (*_TIMING, *_TERMS) if document.get(name)}
    if schedule.after is not None:
        after = schedule.after
        values[_AFTER] = after.name if after.kind == _SAVED else f"{after.kind}:{after.name}"
        values[_AFTER_STATUS] = ", ".join(after.status)
    values[_BLACKOUTS] = "\n".join(
        f"{window['cron']} / {window['duration']}" for window in document.get(_BLACKOUTS, ())
    )
    values[_JOB] = json.dumps(document[_JOB], indent=2, ensure_ascii=False)
    return {**values, "name": schedule.name, _SERIAL: schedule.serial}


def _saved_names() -> list[str]:
    """The saved jobs that the form suggests."""
    if not principal().may(READ):
        return []
    return [saved.name for saved in services().saved_jobs.page("", _SUGGESTED)[0]]


def _times(schedule: Schedule) -> list[tuple[int, str]]:
    """The next times, and what the clocks of the schedule's zone show then."""
    zone = zone_of(schedule.timing.time_zone)
    times = services().schedules.preview(schedule)
    return [(time, local(time, zone).isoformat(sep=" ", timespec="seconds")) for time in times]


def _problems(message: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """An error by the fields of the form: those of the job and its target, and of blackouts, are shown at these."""
    fields: dict[str, str] = {}
    for path, sentences in details.items():
        first = path.partition(".")[0].partition("[")[0]
        field = first if first in _FIELDS else _JOB
        where = "" if field == path else f"{path}: "
        texts = sentences if isinstance(sentences, list) else [str(sentences)]
        fields[field] = f"{fields.get(field, '')} {where}{' '.join(texts)}".strip()
    return {"summary": message, "fields": fields}


def _page(
    values: Mapping[str, str],
    problems: Mapping[str, Any] | None = None,
    *,
    times: list[tuple[int, str]] | None = None,
    status: int = 200,
) -> Response:
    return pages.render(
        "schedule_form.html",
        status,
        given=dict.fromkeys((*_TIMING, *_TERMS, _AFTER, _AFTER_STATUS, _BLACKOUTS, _JOB, _SERIAL), "") | dict(values),
        saved_names=_saved_names(),
        problems=problems or {"summary": "", "fields": {}},
        overlaps=[str(overlap) for overlap in Overlap],
        times=times,
        zone=values.get("time_zone") or Timing().time_zone,
    )
