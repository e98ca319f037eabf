"""/events and /job/{id}/events: what happens to the jobs of all cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request

from api import validation
from api.blueprint import read_query
from api.cells.context import front
from api.live import sse
from api.native import requests
from api.native.event_schemas import EventQuery
from api.native.events import MANY
from jobqueue.cells.feed_items import Entry
from jobqueue.cells.feeds import Signal, Turn
from jobqueue.services.cells.job_events import JobTurn

blueprint = Blueprint("event", __name__)

_event_query = EventQuery()

Document = dict[str, Any]


@blueprint.get("/events")
def get_events() -> Response:
    """Follow what happens to the jobs of all cells."""
    loaded = validation.load(_event_query, read_query())
    turns = front().feeds.follow(_last_event_id())
    return sse.stream(_begun(turns, each=loaded["each"]))


@blueprint.get("/job/<job_id>/events")
def get_job_events(job_id: str) -> Response:
    """Follow what happens to one job, in all its cells."""
    job_id = requests.job_id(job_id)
    turns = front().job_events.follow(job_id, _last_event_id())
    return sse.stream(_of_job(job_id, turn) for turn in turns)


def _last_event_id() -> str | None:
    return request.headers.get("Last-Event-ID") or None


def _begun(turns: Iterator[Turn], *, each: bool) -> Iterator[list[sse.ServerEvent]]:
    """The events; at first where they begin, so that a client that saw none resumes there, too."""
    for turn in turns:
        yield [sse.ServerEvent("position", {}, id=turn.id)]
        break
    for turn in turns:
        yield _shown(turn, each=each)


def _shown(turn: Turn, *, each: bool) -> list[sse.ServerEvent]:
    steps = [{**step, "cell": entry.cell} for entry in turn.items if isinstance(entry, Entry) for step in entry.steps]
    signals = [_signal(item) for item in turn.items if isinstance(item, Signal)]
    events = [*signals, *(sse.ServerEvent("job", step) for step in (steps if each else _coalesced(steps)))]
    return _with_id(events, turn.id)


def _of_job(job_id: str, turn: JobTurn) -> list[sse.ServerEvent]:
    if turn.end:
        return [sse.ServerEvent("end", {"job_id": job_id, "status": turn.end})]
    events = [*map(_signal, turn.signals), *(sse.ServerEvent("job", step) for step in turn.steps)]
    return _with_id(events, turn.id)


def _with_id(events: list[sse.ServerEvent], turn_id: str) -> list[sse.ServerEvent]:
    """The last event has the id: a client that saw less is sent all of them again."""
    return [*events[:-1], replace(events[-1], id=turn_id)] if events else []


def _signal(signal: Signal) -> sse.ServerEvent:
    return sse.ServerEvent(signal.kind, {"cell": signal.cell, "reason": signal.reason})


def _coalesced(steps: list[Document]) -> Iterator[Document]:
    """The steps, but one for equal ones of a job that many agents took."""
    groups: dict[tuple[str, ...], list[Document]] = {}
    for step in steps:
        key = (step["cell"], step["job_id"], step["event"], str(step["error"]))
        groups.setdefault(key, []).append(step)
    if all(len(group) <= MANY for group in groups.values()):
        yield from steps
        return
    for group in groups.values():
        if len(group) <= MANY:
            yield from group
        else:
            message = f"{len(group)} agents: {group[-1]['event']}"
            yield group[-1] | {"hostname": "", "count": len(group), "message": message}
