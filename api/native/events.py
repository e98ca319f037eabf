"""/events and /job/{id}/events: what happens to jobs, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from flask import Response, request

from api.blueprint import Blueprint
from api.context import services
from api.live import sse
from api.native import mapping, requests
from api.native.schemas import ErrorAnswer
from jobqueue.model.job import Job
from jobqueue.model.job_event import JobEvent, event_position
from jobqueue.services.event_feed import MissedEvents

blueprint = Blueprint("event", __name__, description="Live events of jobs.")

_JOB_ID = {"in": "path", "name": "job_id", "required": True, "schema": {"type": "string", "format": "uuid"}}
_LAST_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "Resume after this event.",
    "schema": {"type": "string"},
}
_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


@blueprint.route("/events", methods=["GET"])
@blueprint.doc(
    operationId="followEvents",
    parameters=[_LAST_ID],
    responses={"200": {"description": "Server-sent events.", "content": _STREAM}},
)
def get_events() -> Response:
    """Follow what happens to all jobs

    Server-sent events `job`, one for each step of each job, from now on or from behind `Last-Event-ID`. An event
    `reset` means that some events in between are no longer stored: reload the displayed data.
    """
    after, follow = _last_event_id(), services().events.follow
    return sse.stream(_with_reset(follow, after))


@blueprint.route("/job/<job_id>/events", methods=["GET"], parameters=[_JOB_ID])
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.doc(
    operationId="followJobEvents",
    parameters=[_LAST_ID],
    responses={"200": {"description": "Server-sent events.", "content": _STREAM}},
)
def get_job_events(job_id: str) -> Response:
    """Follow what happens to one job

    Its past timeline, then each new step (events `job`), and finally `end` with the job's status.
    """
    job_id, after = requests.job_id(job_id), _last_event_id()
    found = services()

    def follow(behind: str | None) -> Iterator[list[JobEvent]]:
        return found.events.follow_job(job_id, behind)

    def to_the_end(turns: Iterator[list[sse.ServerEvent]]) -> Iterator[list[sse.ServerEvent]]:
        yield from turns
        yield [sse.ServerEvent("end", _state(found.jobs.get(job_id)))]

    return sse.stream(to_the_end(_with_reset(follow, after)))


def _last_event_id() -> str | None:
    given = request.headers.get("Last-Event-ID") or None
    if given is not None:
        event_position(given)
    return given


def _with_reset(
    follow: Callable[[str | None], Iterator[list[JobEvent]]], after: str | None
) -> Iterator[list[sse.ServerEvent]]:
    """Everything that is followed; anew, behind an event that says so, where a part of it is no longer kept.

    Where it begins is settled with the call, not with the first turn: what happens from now on is not missed.
    """
    try:
        return _turns(follow, follow(after), None)
    except MissedEvents as error:
        return _turns(follow, follow(None), error)


def _turns(
    follow: Callable[[str | None], Iterator[list[JobEvent]]],
    turns: Iterator[list[JobEvent]],
    missed: MissedEvents | None,
) -> Iterator[list[sse.ServerEvent]]:
    while True:
        if missed:
            yield [sse.ServerEvent("reset", {"reason": missed.message})]
        try:
            for turn in turns:
                yield [event for news in turn for event in _shown(news)]
        except MissedEvents as error:
            missed, turns = error, follow(None)
        else:
            return


@lru_cache(maxsize=4096)  # of two hundred followers, all get the same
def _shown(news: JobEvent) -> tuple[sse.ServerEvent, ...]:
    about = {"job_id": news.job_id, "status": news.status.value}
    documents = [{**about, **mapping.event(event)} for event in news.events]
    # only the last has the id: who saw less is given all of them again
    last = len(documents) - 1
    return tuple(
        sse.ServerEvent("job", document, id=news.id if n == last else "") for n, document in enumerate(documents)
    )


def _state(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.status.value}
