"""Schedules on a screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line

COLUMNS = (
    Column("NAME", uncut=True),
    Column("WHEN"),
    Column("NEXT", uncut=True),
    Column("LAST", uncut=True),
    Column("OWNER"),
    Column("DESCRIPTION"),
)
_RESULTS = (
    Column("TIME", uncut=True),
    Column("TIMES", uncut=True, right=True),
    Column("OUTCOME", uncut=True),
    Column("JOB", uncut=True),
    Column("REASON", wrap=True),
)


def when_of(schedule: Mapping[str, Any]) -> str:
    """When a schedule fires, in a few words."""
    after = schedule.get("after")
    if after:
        source = f"@{after['saved']}" if after.get("saved") else f"configuration {after.get('configuration')}"
        return f"after {source} {' or '.join(map(str, after.get('status') or ()))}"
    if schedule.get("cron") is not None:
        return f"{schedule['cron']} {schedule.get('time_zone')}"
    if schedule.get("every") is not None:
        return f"every {schedule['every']}"
    if schedule.get("at") is not None:
        return f"at {schedule['at']}"
    return f"{schedule.get('rrule')} {schedule.get('time_zone')}"


def schedule_row(out: Screen, schedule: Mapping[str, Any]) -> list[Any]:
    """A row of ``COLUMNS``."""
    results = schedule.get("results") or [{}]
    following = "paused" if schedule.get("pause") else out.when(schedule.get("next_time"))
    last = results[0].get("outcome") or "-"
    return [
        schedule.get("name"),
        when_of(schedule),
        following,
        last,
        schedule.get("owner"),
        schedule.get("description"),
    ]


def show_schedule(out: Screen, schedule: Mapping[str, Any]) -> None:
    """A schedule with its results and its next times."""
    pause = schedule.get("pause")
    optional = [("Starts", "starts"), ("Ends", "ends"), ("Expires after", "expires_after")]
    out.fields(
        [
            ("Name", schedule.get("name")),
            ("Description", schedule.get("description")),
            ("When", when_of(schedule)),
            *((label, schedule[name]) for label, name in optional if schedule.get(name) is not None),
            ("Jitter", schedule.get("jitter")),
            *(("Blackout", f"{item['cron']} for {item['duration']}") for item in schedule.get("blackouts") or ()),
            *_job_fields(schedule.get("job") or {}),
            ("Overlap", schedule.get("overlap")),
            ("Catch up", schedule.get("catch_up")),
            *([("Managed by", schedule["managed_by"])] if schedule.get("managed_by") else []),
            ("Owner", schedule.get("owner")),
            ("Changed", f"{out.when(schedule.get('changed'))} by {one_line(schedule.get('changed_by'))}"),
            *(
                [
                    (
                        "Paused",
                        f"{out.when(pause.get('at'))} by {one_line(pause.get('by'))}: {one_line(pause.get('reason'))}",
                    )
                ]
                if pause
                else []
            ),
            ("Next", ", ".join(map(one_line, (schedule.get("next_times") or ["none"])[:3]))),
        ]
    )
    if schedule.get("results"):
        out.heading("Results")
        out.table(_RESULTS, [_result_row(out, result) for result in schedule["results"]])


def _job_fields(job: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The fields that describe the jobs of a schedule, and where they run."""
    target = job.get("target_hostname") or job.get("target")
    if job.get("saved") or job.get("workflow"):
        values = (job.get("parameters") or {}).items()
        shown = " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values)
        what = ("Saved job", f"@{job['saved']}") if job.get("saved") else ("Workflow", job["workflow"])
        fields = [what, ("Parameters", shown), ("Target", target)]
        return [(label, value) for label, value in fields if value]
    if job.get("configuration"):
        return [("Configuration", job["configuration"])]
    return [("Operation", (job.get("operation") or {}).get("type")), ("Target", target or "_any")]


def _result_row(out: Screen, result: Mapping[str, Any]) -> list[Any]:
    return [
        result.get("time"),
        result.get("count"),
        result.get("outcome"),
        out.id(result.get("job_id")) if result.get("job_id") else "",
        result.get("reason"),
    ]
