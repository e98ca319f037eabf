"""/jobs: Fusion's Jobs API, the usual way to start a run: ``POST /jobs/spark:ID/actions {"action": "start"}``.

A resource is ``type:id``. The colon distinguishes its paths from Ray's ``/api/jobs/{submission id}``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.routing import BaseConverter

from api import audit, following
from api.body import read_object
from api.context import principal, services
from api.fusion import mapping, requests, scheduled, starting, triggers
from api.fusion.app_prefix import blueprint as make_blueprint
from api.fusion.context import configurations, runs
from api.fusion.series import run_id_of
from api.responses import json_response
from jobqueue.errors import InvalidInput, NotFound, ScheduleNotFound
from jobqueue.model.configuration import Configuration, check_configuration_id
from jobqueue.model.job import Job

blueprint = make_blueprint("resources")
#: What has no id in its path: below an app's name or /apollo only, for GET /api/jobs itself is Ray's.
listing = make_blueprint("resource_list")

SPARK = "spark"
#: Types of resources that Fusion has.
TYPES = (SPARK, "datasource", "task")
START = "start"
#: Each of these cancels all active runs.
STOPS = ("abort", "cancel")
ACTIONS = (START, *STOPS)
MOST_HISTORY = 100
_RESOURCE = rf"(?:{'|'.join(TYPES)}):[^/]+"
PATHS = re.compile(rf"/api/jobs/{_RESOURCE}(/|$)")


class Resource(BaseConverter):
    """``type:id`` in a path; before a converter that takes any text, such as that of Ray's ids."""

    regex = _RESOURCE
    weight = 50


def install(app: Flask) -> None:
    """Let routes have ``<resource:...>``."""
    app.url_map.converters["resource"] = Resource


@listing.get("/jobs")
def list_resources() -> Response:
    """All stored configurations, and how each stands."""
    return json_response([_status(configuration) for configuration in configurations().all()])


@blueprint.get("/jobs/<resource:name>")
def show(name: str) -> Response:
    """The state of a stored configuration: that of its newest run, or idle."""
    return json_response(_status(_configuration(name)))


@blueprint.get("/jobs/<resource:name>/history")
def history(name: str) -> Response:
    """The newest runs of a stored configuration, the newest first."""
    limit = requests.limit(MOST_HISTORY)
    newest_runs = runs().history(_configuration(name).id, limit)
    return json_response([_run(name, run) for run in newest_runs])


@blueprint.get("/jobs/<resource:name>/schedule")
def schedule(name: str) -> Response:
    """The schedule of a stored configuration, without triggers if it has none."""
    return _schedule(name, _configuration(name).id)


@blueprint.put("/jobs/<resource:name>/schedule")
def put_schedule(name: str) -> Response:
    """Store the schedule in place of the one that there is; without triggers, remove it."""
    config_id = _configuration(name).id
    body = read_object()
    trigger = triggers.read(name, config_id, body)
    manager = services().schedules
    if trigger is None:
        _remove_schedule(config_id)
    else:
        audit.note(schedule=trigger.name)
        following.check_source(trigger.after, principal(), services())
        submission = scheduled.submission(trigger.content, principal(), services())
        manager.replace(trigger, submission, resumes=True)
    return _schedule(name, config_id)


@blueprint.delete("/jobs/<resource:name>/schedule")
def delete_schedule(name: str) -> Response:
    """Remove the schedule, if there is one."""
    _remove_schedule(_configuration(name).id)
    return Response(status=204)


@blueprint.post("/jobs/<resource:name>/actions")
def act(name: str) -> Response:
    """Start a run, or cancel all active ones."""
    config_id = _id(name)
    action, comment = _action(read_object())
    audit.note(configuration=config_id, action=action)
    if action == START:
        started = runs().start(config_id, principal())
        starting.note(started)
        run_id = started.run_id
    else:
        configurations().get(config_id)
        ended = runs().cancel(config_id, principal())
        audit.note(job=ended.id)
        run_id = run_id_of(ended)
    answer = {"resource": name, "action": action, "accepted": True, "jobId": run_id}
    return json_response(answer | ({"comment": comment} if comment is not None else {}))


def _action(body: Mapping[str, Any]) -> tuple[str, str | None]:
    unknown = sorted(body.keys() - {"action", "comment"})
    if unknown:
        raise InvalidInput.of(unknown[0], "Unknown field; an action has the fields action and comment.")
    action, comment = body.get("action"), body.get("comment")
    if action not in ACTIONS:
        problem = "Missing" if action is None else f"Unknown action {str(action)[:40]!r}"
        raise InvalidInput.of("action", f"{problem}; the actions are {', '.join(ACTIONS)}.")
    if comment is not None and not isinstance(comment, str):
        raise InvalidInput.of("comment", "Must be a string.")
    return action, comment


def _schedule(name: str, config_id: str) -> Response:
    try:
        stored = services().schedules.get(triggers.schedule_name(config_id)).schedule
    except (ScheduleNotFound, InvalidInput):
        return json_response(triggers.document(name, None))
    return json_response(triggers.document(name, stored))


def _remove_schedule(config_id: str) -> None:
    schedule_name = triggers.schedule_name(config_id)
    audit.note(schedule=schedule_name)
    with contextlib.suppress(ScheduleNotFound):
        services().schedules.remove(schedule_name)


def _configuration(name: str) -> Configuration:
    return configurations().get(_id(name))


def _id(name: str) -> str:
    """The configuration's id in ``spark:ID``. Raises ``NotFound`` for what Fusion has and jobqueue has not."""
    kind, _, config_id = name.partition(":")
    if kind != SPARK:
        raise NotFound(f"Unknown resource {name[:100]!r}: only resources of the type {SPARK} exist here ({SPARK}:ID).")
    try:
        return check_configuration_id(config_id)
    except InvalidInput as error:
        raise NotFound(f"Unknown resource {name[:100]!r}: {error.message}") from error


def _status(configuration: Configuration) -> dict[str, Any]:
    """``status``: how the newest run stands or ended; ``state``: what the configuration does now, idle between runs."""
    name = f"{SPARK}:{configuration.id}"
    newest_runs = runs().history(configuration.id, 1)
    if not newest_runs:
        return {"resource": name, "enabled": True, "status": "idle", "state": "idle", "extra": {}}
    newest = _run(name, newest_runs[0])
    times = {f"last{key[0].upper()}{key[1:]}": newest[key] for key in ("startTime", "endTime") if key in newest}
    return newest | {"state": "idle"} | times if newest_runs[0].status.is_final else newest | times


def _run(name: str, job: Job) -> dict[str, Any]:
    """One run as the Jobs API shows it."""
    document = mapping.status(job)
    return {
        "resource": name,
        "enabled": True,
        "runId": document["jobId"],
        "status": mapping.resource_status(document["state"]),
        "state": document["state"],
        **mapping.run_times(job),
        "extra": document["result"],
    }
