"""Schedules from requests, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.following import after_of
from api.native.schedule_schemas import NEVER
from jobqueue.model.durations import show_duration
from jobqueue.model.saved_job import check_manager
from jobqueue.model.schedule import (
    After,
    Blackout,
    Overlap,
    Owner,
    Pause,
    Progress,
    Result,
    Schedule,
    ScheduleView,
    Timing,
)
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.zones import local, zone_of
from jobqueue.services.backfill import BackfillSlice

_TIMING = ("cron", "every", "at", "rrule", "time_zone", "anchor", "starts", "ends", "jitter")
_TERMS = ("description", "blackouts", "job", "overlap", "catch_up", "expires_after", "managed_by")
_DECLARED = (*_TIMING, "after", *_TERMS)
_NOT_STORED = Owner("", "", "")


def schedule_of(name: str, loaded: Mapping[str, Any]) -> Schedule:
    """The schedule that ``ScheduleRequest`` or ``TimingRequest`` loaded; it is not stored yet."""
    paused, after = loaded.get("paused"), loaded.get("after")
    return Schedule(
        name=name,
        uid="",
        serial="",
        timing=Timing(**{field: loaded[field] for field in _TIMING if field in loaded}),
        content=loaded.get("job", {}),
        owner=_NOT_STORED,
        description=loaded.get("description", ""),
        overlap=Overlap(loaded.get("overlap", Overlap.SKIP)),
        catch_up=loaded.get("catch_up", 0),
        expires_after=loaded.get("expires_after"),
        blackouts=tuple(Blackout(**blackout) for blackout in loaded["blackouts"]),
        pause=None if paused is None else Pause(paused, "", 0),
        managed_by=check_manager(loaded.get("managed_by", "")),
        after=None if after is None else after_of(after),
    )


def schedule_document(view: ScheduleView) -> dict[str, Any]:
    """A schedule, with its results newest first."""
    schedule, progress, timing = view.schedule, view.progress, view.schedule.timing
    return {
        "name": schedule.name,
        "description": schedule.description,
        "cron": timing.cron,
        "every": _duration(timing.every),
        "at": _time(timing.at),
        "rrule": timing.rrule,
        "after": after_document(schedule.after),
        "time_zone": timing.time_zone,
        "anchor": _time(timing.anchor),
        "starts": _time(timing.starts),
        "ends": _time(timing.ends),
        "jitter": show_duration(timing.jitter),
        "blackouts": [
            {"cron": blackout.cron, "duration": show_duration(blackout.duration)} for blackout in schedule.blackouts
        ],
        "job": dict(schedule.content),
        "overlap": str(schedule.overlap),
        "catch_up": NEVER if schedule.catch_up is None else show_duration(schedule.catch_up),
        "expires_after": _duration(schedule.expires_after),
        "pause": _pause(schedule.pause),
        "managed_by": schedule.managed_by,
        "owner": schedule.owner.name,
        "created": to_iso(schedule.created),
        "changed": to_iso(schedule.changed),
        "changed_by": schedule.changed_by,
        "next_time": _time(progress.next),
        "last_job_id": progress.job_id or None,
        "results": [_result(result) for result in reversed(view.results)],
    }


def after_document(after: After | None) -> dict[str, Any] | None:
    """The jobs that a schedule follows, as a caller names them."""
    return None if after is None else {after.kind: after.name, "status": list(after.status)}


def declared_document(schedule: Schedule) -> dict[str, Any]:
    """The fields of a schedule that a caller sets, without empty ones."""
    shown = schedule_document(ScheduleView(schedule, Progress()))
    fields = {name: shown[name] for name in _DECLARED}
    fields["paused"] = schedule.pause and schedule.pause.reason
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def preview_document(time_zone: str, times: list[int]) -> dict[str, Any]:
    """The next times of a schedule."""
    zone = zone_of(time_zone)
    shown = [{"time": to_iso(time), "local": local(time, zone).isoformat(timespec="seconds")} for time in times]
    return {"time_zone": time_zone, "times": shown}


def backfill_document(done: BackfillSlice) -> dict[str, Any]:
    """What became of past times."""
    times = [
        {"time": to_iso(past.time), "outcome": past.outcome, "job_id": past.job_id or None, "reason": past.reason}
        for past in done.times
    ]
    return {"times": times, "total": done.total, "next_from": _time(done.next)}


def _result(result: Result) -> dict[str, Any]:
    return {
        "time": to_iso(result.begin),
        "last_time": to_iso(result.end),
        "decided": to_iso(result.at),
        "outcome": str(result.outcome),
        "count": result.count,
        "job_id": result.job_id or None,
        "reason": result.reason,
    }


def _pause(pause: Pause | None) -> dict[str, Any] | None:
    return None if pause is None else {"reason": pause.reason, "by": pause.by, "at": to_iso(pause.at)}


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_iso(micros)


def _duration(micros: int | None) -> str | None:
    return None if micros is None else show_duration(micros)
