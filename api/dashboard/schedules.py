"""Schedules: the list, one of them, and its buttons."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import flask
from flask import Response
from marshmallow import ValidationError

from api import audit, errors
from api.context import principal, services
from api.dashboard import pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.native.fields import Moment
from api.native.schedules import backfill, trigger
from jobqueue.errors import InvalidInput, JobQueueError, ScheduleNotFound
from jobqueue.model.durations import parse_duration, show_duration
from jobqueue.model.record_name import MAX_NAME
from jobqueue.model.schedule import Result, Schedule, ScheduleView
from jobqueue.model.stored_limits import KEPT_RESULTS
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.zones import local, zone_of
from jobqueue.services.backfill import BackfillSlice
from jobqueue.services.workflows.scheduled import is_workflow

_LIMIT = 50
_LONGEST_REASON = 500
_SEEN_OTHER = 303
_time = Moment()
DONE = {
    "stored": "The schedule was stored.",
    "paused": "The schedule is paused.",
    "resumed": "The schedule is active again.",
    "deleted": "The schedule was deleted; its jobs remain.",
}


@blueprint.get(f"{PREFIX}/schedules")
def schedules() -> Response:
    """The schedules by name, with a strip of their last results."""
    after = query.text("after", MAX_NAME)
    views, total, following = services().schedules.page(after, _LIMIT, KEPT_RESULTS)
    return pages.render(
        "schedules.html",
        views=views,
        total=total,
        when_of=when_of,
        result_text=result_text,
        done=DONE.get(query.text("done"), ""),
        newer=query.with_changes(after=None, done=None) if after else "",
        older=query.with_changes(after=following, done=None) if following else "",
    )


@blueprint.get(f"{PREFIX}/schedules/<name>")
def schedule(name: str) -> Response:
    """One schedule, its last results and its next times."""
    return _detail_page(services().schedules.get(name))


@blueprint.post(f"{PREFIX}/schedules/<name>/pause")
def pause_schedule(name: str) -> Response:
    """Let its times pass."""
    reason = posted.line("reason", _LONGEST_REASON)
    return _changed(name, "paused", lambda: services().schedules.pause(name, reason, principal()))


@blueprint.post(f"{PREFIX}/schedules/<name>/resume")
def resume_schedule(name: str) -> Response:
    """End a pause."""
    return _changed(name, "resumed", lambda: services().schedules.resume(name, principal()))


@blueprint.post(f"{PREFIX}/schedules/<name>/delete")
def delete_schedule(name: str) -> Response:
    """Delete it."""
    return _changed(name, "deleted", lambda: services().schedules.remove(name), f"{PREFIX}/schedules")


@blueprint.post(f"{PREFIX}/schedules/<name>/trigger")
def trigger_schedule(name: str) -> Response:
    """Submit its job now, and show that."""
    view = services().schedules.get(name)
    try:
        accepted = trigger(view, _SEEN_OTHER)
    except JobQueueError as error:
        return _refused(name, error)
    made = "workflow-runs" if is_workflow(view.schedule) else "jobs"
    back = f"{PREFIX}/{made}/{accepted.job_id}" if principal().may("job:read") else f"{PREFIX}/schedules/{name}"
    return flask.make_response(flask.redirect(pages.link(back), _SEEN_OTHER))


@blueprint.post(f"{PREFIX}/schedules/<name>/backfill")
def backfill_schedule(name: str) -> Response:
    """List its past times, or submit their jobs; shows what became of each. A repeated request submits none twice."""
    form = {field: text.strip() for field, text in posted.form().items()}
    view = services().schedules.get(name)
    span = {field: form.get(field, "") for field in ("from", "to")}
    try:
        now = services().ledger.time()
        begin, end = (_moment(span[field], now, field) for field in span)
        done = backfill(view, begin, end, is_dry_run=form.get("do") != "run")
    except JobQueueError as error:
        if not principal().may("schedule:read"):
            raise
        return _detail_page(view, error.message, errors.status_of(error), given=span)
    if done.next is not None:
        span["from"] = to_iso(done.next)
    if not principal().may("schedule:read"):
        to = pages.link(f"{PREFIX}/")
        return flask.make_response(flask.redirect(to, _SEEN_OTHER))
    return _detail_page(services().schedules.get(name), given=span, filled=done)


def _moment(text: str, now: int, field: str) -> int:
    """A time, or how long ago: ``3d``; left out, now."""
    if not text:
        return now
    try:
        return max(0, now - round(parse_duration(text) * 1e6))
    except ValueError:
        try:
            return cast("int", _time.deserialize(text))
        except ValidationError as error:
            sentence = f"{text[:80]!r} is neither a time, such as 2026-01-31T12:00:00Z, nor how long ago, such as 3d."
            raise InvalidInput.of(field, sentence) from error


def when_of(schedule: Schedule) -> str:
    """When a schedule fires, in a few words."""
    timing, after = schedule.timing, schedule.after
    if after is not None:
        source = f"@{after.name}" if after.kind == "saved" else f"{after.kind} {after.name}"
        return f"after {source} {' or '.join(after.status)}"
    if timing.cron is not None:
        return f"{timing.cron} ({timing.time_zone})"
    if timing.every is not None:
        return f"every {show_duration(timing.every)}"
    if timing.rrule is not None:
        return f"{timing.rrule} ({timing.time_zone})"
    return "once"


def result_text(result: Result) -> str:
    """A result in a line, for those who point at its mark."""
    number = f" ({result.count} times)" if result.count > 1 else ""
    reason = f": {result.reason}" if result.reason else ""
    return f"{to_iso(result.begin)[:16].replace('T', ' ')} {result.outcome}{number}{reason}"


def _changed(name: str, done: str, change: Any, back: str = "") -> Response:
    audit.note(schedule=name)
    try:
        change()
    except ScheduleNotFound:
        raise
    except JobQueueError as error:
        return _refused(name, error)
    to = f"{back or f'{PREFIX}/schedules/{name}'}?done={done}"
    return flask.make_response(flask.redirect(pages.link(to), _SEEN_OTHER))


def _refused(name: str, error: JobQueueError) -> Response:
    """The page of the schedule with what was wrong, for those who may see it."""
    if not principal().may("schedule:read"):
        raise error
    return _detail_page(services().schedules.get(name), error.message, errors.status_of(error))


def _saved_exists(view: ScheduleView) -> bool:
    """Whether there is the saved job that the schedule runs, also an altered one; False if it runs none."""
    name = view.schedule.content.get("saved")
    return isinstance(name, str) and services().saved_jobs.exists(name)


def _detail_page(
    view: ScheduleView,
    problem: str = "",
    status: int = 200,
    given: Mapping[str, str] = MappingProxyType({}),
    filled: BackfillSlice | None = None,
) -> Response:
    timing = view.schedule.timing
    return pages.render(
        "schedule.html",
        status,
        view=view,
        schedule=view.schedule,
        when=when_of(view.schedule),
        zone=timing.time_zone,
        times=[
            (time, local(time, zone_of(timing.time_zone)).isoformat(sep=" ", timespec="seconds"))
            for time in services().schedules.next_times(view.schedule)
        ],
        span=show_duration,
        result_text=result_text,
        saved_exists=_saved_exists(view),
        problem=problem,
        given=given,
        filled=filled,
        done=DONE.get(query.text("done"), ""),
    )
