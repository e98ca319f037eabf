"""/schedule: jobs that are submitted at times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, request

from api import audit, following, scheduling
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import links, list_cursor, mapping
from api.native.comparison import comparison
from api.native.error_schemas import ErrorAnswer
from api.native.schedule_mapping import (
    backfill_document,
    declared_document,
    preview_document,
    schedule_document,
    schedule_of,
)
from api.native.schedule_schemas import (
    BackfillAnswer,
    BackfillRequest,
    NamedScheduleRequest,
    PreviewAnswer,
    ScheduleAnswer,
    ScheduleDetailAnswer,
    ScheduleListAnswer,
    SchedulePauseRequest,
    SchedulePutAnswer,
    SchedulePutQuery,
    ScheduleQuery,
    ScheduleRequest,
    TimingRequest,
)
from api.native.submission_schemas import AcceptedAnswer
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.schedule import Outcome, Progress, Schedule, ScheduleView
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_iso
from jobqueue.services.backfill import BackfillSlice
from jobqueue.services.workflows.scheduled import is_workflow

blueprint = Blueprint("schedule", __name__, description="Schedules: jobs that are submitted at set times.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_LIST = "schedule"
_CREATED = 201
_unknown = blueprint.alt_response(404, schema=ErrorAnswer, description="No schedule has this name.")
_changed = blueprint.alt_response(409, schema=ErrorAnswer, description="The schedule was changed concurrently.")


@blueprint.route("/schedule", methods=["GET"])
@blueprint.arguments(ScheduleQuery, location="query")
@blueprint.response(200, ScheduleListAnswer)
@blueprint.doc(operationId="listSchedules")
def list_schedules(loaded: dict[str, Any]) -> Response:
    """List schedules by name, each with its last result"""
    after = list_cursor.after(loaded, _LIST)
    views, total, following = services().schedules.page(after, loaded["limit"], 1)
    cursor = list_cursor.following(following, _LIST)
    return json_response({"schedules": list(map(schedule_document, views)), "total": total, "next_cursor": cursor})


@blueprint.route("/schedule", methods=["POST"])
@blueprint.arguments(NamedScheduleRequest)
@blueprint.response(201, ScheduleAnswer)
@blueprint.alt_response(409, schema=ErrorAnswer, description="A schedule has this name already.")
@blueprint.doc(operationId="createSchedule")
def create_schedule(loaded: dict[str, Any]) -> Response:
    """Create a schedule

    Its jobs are submitted for the caller, who becomes its owner, with the permissions that the owner has at each time.
    """
    schedule = schedule_of(loaded["name"], loaded)
    audit.note(schedule=schedule.name)
    view = services().schedules.create(schedule, _checked_submission(schedule))
    return json_response(schedule_document(view), _CREATED)


@blueprint.route("/schedule/preview", methods=["POST"])
@blueprint.arguments(TimingRequest)
@blueprint.response(200, PreviewAnswer)
@blueprint.doc(operationId="previewSchedule")
def preview_schedule(loaded: dict[str, Any]) -> Response:
    """Compute the next ten times of a schedule that is not stored

    Times in blackouts are left out, and a jitter is not added.
    """
    schedule = schedule_of("", loaded)
    return json_response(preview_document(schedule.timing.time_zone, services().schedules.preview(schedule)))


@blueprint.route("/schedule/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, ScheduleDetailAnswer)
@_unknown
@blueprint.doc(operationId="getSchedule")
def get_schedule(name: str) -> Response:
    """Get a schedule, its last results and its next times"""
    view = services().schedules.get(name)
    times = services().schedules.next_times(view.schedule)
    return json_response({**schedule_document(view), "next_times": list(map(to_iso, times))})


@blueprint.route("/schedule/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(SchedulePutQuery, location="query")
@blueprint.arguments(ScheduleRequest)
@blueprint.response(200, SchedulePutAnswer)
@blueprint.alt_response(201, schema=ScheduleAnswer, description="The schedule is new.")
@_changed
@blueprint.doc(operationId="putSchedule")
def put_schedule(loaded: dict[str, Any], query: dict[str, Any], name: str) -> Response:
    """Store a schedule under a name, or replace it

    The caller becomes its owner. Its results and a pause remain, and so does its next time, unless its timing changes.
    """
    schedule = schedule_of(name, loaded)
    if query["dry_run"]:
        return _compared(schedule, is_assumed=query["assume"])
    view, is_new = services().schedules.replace(schedule, _checked_submission(schedule))
    return json_response(schedule_document(view), _CREATED if is_new else 200)


@blueprint.route("/schedule/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@_unknown
@_changed
@blueprint.doc(operationId="deleteSchedule")
def delete_schedule(name: str) -> Response:
    """Delete a schedule

    Its jobs remain, also those that run.
    """
    services().schedules.remove(name)
    return Response(status=204)


@blueprint.route("/schedule/<name>/pause", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(SchedulePauseRequest, required=False)
@blueprint.response(200, ScheduleAnswer)
@_unknown
@_changed
@blueprint.doc(operationId="pauseSchedule")
def pause_schedule(loaded: dict[str, Any], name: str) -> Response:
    """Pause a schedule

    Its times pass without jobs, which its results show.
    """
    audit.note(reason=loaded["reason"])
    return _answer(services().schedules.pause(name, loaded["reason"], principal()))


@blueprint.route("/schedule/<name>/resume", methods=["POST"], parameters=[_NAME])
@blueprint.response(200, ScheduleAnswer)
@_unknown
@_changed
@blueprint.doc(operationId="resumeSchedule")
def resume_schedule(name: str) -> Response:
    """End the pause of a schedule"""
    return _answer(services().schedules.resume(name, principal()))


@blueprint.route("/schedule/<name>/trigger", methods=["POST"], parameters=[_NAME])
@blueprint.response(
    201, AcceptedAnswer, headers={"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}
)
@_unknown
@blueprint.alt_response(
    409, schema=ErrorAnswer, description="The schedule's last job has not ended, or no agent is live for its target."
)
@blueprint.doc(operationId="triggerSchedule")
def trigger_schedule(name: str) -> Response:
    """Submit a schedule's job now, beside its times

    The job is submitted for the caller, with the caller's permissions. For a schedule that runs a workflow, `job_id` is
    the id of the run.
    """
    if "HTTP_IDEMPOTENCY_KEY" in request.environ:
        raise InvalidInput.of("Idempotency-Key", "Not supported here; leave it out, and see the schedule's results.")
    view = services().schedules.get(name)
    accepted = trigger(view)
    made = "workflow-run" if is_workflow(view.schedule) else "job"
    return json_response(mapping.accepted(accepted), _CREATED, {"Location": links.path(f"/{made}/{accepted.job_id}")})


@blueprint.route("/schedule/<name>/backfill", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(BackfillRequest)
@blueprint.response(200, BackfillAnswer)
@_unknown
@_changed
@blueprint.doc(operationId="backfillSchedule")
def backfill_schedule(loaded: dict[str, Any], name: str) -> Response:
    """Submit the jobs of a schedule's past times that have none

    The jobs are submitted for the caller, with the caller's permissions; each time has at most one job, however often
    its range is backfilled. A call processes at most 50 times of the range, which may have at most 1,000.
    """
    view = services().schedules.get(name)
    done = backfill(view, loaded["begin"], loaded["end"], is_dry_run=loaded["dry_run"])
    return json_response(backfill_document(done))


def backfill(view: ScheduleView, begin: int, end: int, *, is_dry_run: bool) -> BackfillSlice:
    """Submit the jobs of a schedule's past times for the present request, which is answered with 200."""
    submission = _submission(view.schedule)
    name = view.schedule.name
    audit.note(
        schedule=name, operation=submission.operation, target=submission.target, begin=to_iso(begin), end=to_iso(end)
    )
    if is_dry_run:
        audit.note(dry_run=1)
        done = services().backfiller.plan(view, submission, begin, end)
    else:
        entry = audit.entry_of(200)
        done = services().backfiller.run(
            view,
            submission,
            begin,
            end,
            lambda time: replace(entry, details={**entry.details, "time": to_iso(time)}),
        )
    audit.note(jobs=sum(past.outcome == str(Outcome.BACKFILLED) for past in done.times))
    return done


def trigger(view: ScheduleView, status: int = _CREATED) -> Any:
    """Submit a schedule's job for the present request, which is answered with ``status``."""
    submission = _submission(view.schedule)
    audit.note(operation=submission.operation, target=submission.target)
    if submission.saved:
        audit.note(saved=submission.saved["name"], version=submission.saved["version"])
    accepted = services().schedules.trigger(view, submission, audit.entry_of(status))
    audit.note(job=accepted.job_id)
    if accepted.is_audited:
        audit.is_written(status)
    return accepted


def _submission(schedule: Schedule) -> Submission:
    """The submission of the caller that the schedule stands for now."""
    return scheduling.submission_of(schedule.content, principal(), services())


def _checked_submission(schedule: Schedule) -> Submission:
    """The same for a schedule that is to be stored."""
    following.check_source(schedule.after, principal(), services())
    return _submission(schedule)


def _compared(schedule: Schedule, *, is_assumed: bool) -> Response:
    """What storing the schedule would change. ``is_assumed``: only the form of its job is checked."""
    audit.note(schedule=schedule.name, dry_run=1)
    if is_assumed:
        scheduling.check_form(schedule.content)
    before, after = services().schedules.compare(
        schedule, principal(), None if is_assumed else _checked_submission(schedule)
    )
    compared = comparison(None if before is None else declared_document(before), declared_document(after))
    document = schedule_document(ScheduleView(after, Progress()))
    return json_response({**document, **compared})


def _answer(view: ScheduleView) -> Response:
    return json_response(schedule_document(view))
