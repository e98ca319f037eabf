"""/events and /job/{id}/events: what happens to jobs, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import Any

from flask import Response, request

from api.blueprint import Blueprint
from api.context import services
from api.live import sse
from api.native import mapping, requests
from api.native.error_schemas import ErrorAnswer
from api.native.event_schemas import EventQuery
from jobqueue.errors import LedgerUnavailable
from jobqueue.model.job import Job
from jobqueue.model.job_event import JobEvent, event_position
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import Event
from jobqueue.services.event_feed import MissedEvents

blueprint = Blueprint("event", __name__, description="Live events of jobs.")

_LAST_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "description": "Resume after this event.",
    "schema": {"type": "string"},
}
_AWAY = "The ledger (Redis) does not answer; events follow once it does."
_WAS_AWAY = "The ledger (Redis) did not answer for a while; some events may be missing."
#: Seconds before a ledger that does not answer is asked again.
_PAUSE_SECONDS = 1.0
#: Equal steps of one job within a turn that are sent one by one.
MANY = 20
_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventQuery, location="query")
@blueprint.doc(
    operationId="followEvents",
    parameters=[_LAST_ID],
    responses={"200": {"description": "Server-sent events.", "content": _STREAM}},
)
def get_events(loaded: dict[str, Any]) -> Response:
    """Follow what happens to all jobs

    Server-sent events `job`, one for each step of each job, from now on or from after `Last-Event-ID`. Equal steps of
    many agents of one job within a moment come as one event, with their `count` and an empty `hostname`; with
    `each=true`, each step is an event, and events `position` say where the stream is: at its beginning, and after a
    `reset`. An event `reset` means that some events may be missing: reload the displayed data. `waiting` means that the
    ledger does not answer at present; a `reset` follows once it does.
    """
    after, events = _last_event_id(), services().events
    if not loaded["each"]:
        return sse.stream(_announced(events.follow, after, _coalesced))

    def follow_from(after: str | None) -> Iterator[list[JobEvent]]:
        begin = events.position() if after is None else after
        turns = events.follow(begin)
        return chain([[JobEvent(begin, "", JobStatus.SUBMITTED, ())]], turns)

    return sse.stream(_announced(follow_from, after, _each_with_positions))


@blueprint.route("/job/<job_id>/events", methods=["GET"], parameters=[requests.JOB_ID])
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
    bag = services()

    def follow(after: str | None) -> Iterator[list[JobEvent]]:
        return bag.events.follow_job(job_id, after)

    def to_the_end(turns: Iterator[list[sse.ServerEvent]]) -> Iterator[list[sse.ServerEvent]]:
        yield from turns
        yield [sse.ServerEvent("end", _state(bag.jobs.get(job_id)))]

    return sse.stream(to_the_end(_announced(follow, after, _each)))


def _last_event_id() -> str | None:
    event_id = request.headers.get("Last-Event-ID") or None
    if event_id is not None:
        event_position(event_id)
    return event_id


_Follow = Callable[[str | None], Iterator[list[JobEvent]]]
_Show = Callable[[list[JobEvent]], list[sse.ServerEvent]]


def _announced(follow: _Follow, after: str | None, show: _Show) -> Iterator[list[sse.ServerEvent]]:
    """The events that are followed. An event of its own reports missing events, or that the ledger is unavailable.

    Where it begins is settled with the call, not with the first turn: what happens from now on is not missed.
    """
    try:
        return _turns(follow, follow(after), None, show)
    except (MissedEvents, LedgerUnavailable) as error:
        return _turns(follow, iter(()), error, show)


def _turns(
    follow: _Follow, turns: Iterator[list[JobEvent]], fault: MissedEvents | LedgerUnavailable | None, show: _Show
) -> Iterator[list[sse.ServerEvent]]:
    while True:
        try:
            if fault is None:
                for turn in turns:
                    yield show(turn)
                return
        except (MissedEvents, LedgerUnavailable) as error:
            fault = error
        if isinstance(fault, LedgerUnavailable):
            yield [sse.ServerEvent("waiting", {"reason": _AWAY})]
        turns = yield from _resumed(follow)
        reason = fault.message if isinstance(fault, MissedEvents) else _WAS_AWAY
        yield [sse.ServerEvent("reset", {"reason": reason})]
        fault = None


def _resumed(follow: _Follow) -> Generator[list[sse.ServerEvent], None, Iterator[list[JobEvent]]]:
    """The events from now on, once the ledger answers; an empty turn for each failed attempt."""
    while True:
        try:
            return follow(None)
        except LedgerUnavailable:
            yield []
            time.sleep(_PAUSE_SECONDS)


def _each(turn: list[JobEvent]) -> list[sse.ServerEvent]:
    """An event for each step."""
    return [event for news in turn for event in _shown(news)]


def _each_with_positions(turn: list[JobEvent]) -> list[sse.ServerEvent]:
    """The same, and an event ``position`` for an entry without steps."""
    return [event for news in turn for event in _shown(news) or (sse.ServerEvent("position", {}, id=news.id),)]


def _coalesced(turn: list[JobEvent]) -> list[sse.ServerEvent]:
    """The same, but one event for equal steps of a job that many agents took."""
    if len(turn) <= MANY:
        return _each(turn)
    groups: dict[tuple[str, str, str], list[tuple[JobEvent, Event]]] = {}
    for news in turn:
        for step in news.events:
            groups.setdefault((news.job_id, step.event, step.note), []).append((news, step))
    if all(len(steps) <= MANY for steps in groups.values()):
        return _each(turn)
    events = []
    for steps in groups.values():
        if len(steps) <= MANY:
            events += [sse.ServerEvent("job", _document(news, step)) for news, step in steps]
            continue
        news, last = steps[-1]
        document = _document(news, last) | {"hostname": "", "count": len(steps)}
        document["message"] = f"{len(steps)} agents: {last.event}"
        events.append(sse.ServerEvent("job", document))
    # only the last has an id: a client that saw less is sent all of them again
    return [*events[:-1], replace(events[-1], id=turn[-1].id)] if events else []


def _document(news: JobEvent, step: Event) -> dict[str, Any]:
    return {"job_id": news.job_id, "status": news.status.value, **mapping.event(step)}


@lru_cache(maxsize=4096)  # of two hundred followers, all get the same
def _shown(news: JobEvent) -> tuple[sse.ServerEvent, ...]:
    documents = [_document(news, event) for event in news.events]
    # only the last has the id: who saw less is given all of them again
    last = len(documents) - 1
    return tuple(
        sse.ServerEvent("job", document, id=news.id if n == last else "") for n, document in enumerate(documents)
    )


def _state(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.status.value}
