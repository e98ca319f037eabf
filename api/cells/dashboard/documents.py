"""Jobs as the pages of the dashboard show them, from the documents of cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.model.job import Execution, Job
from jobqueue.model.job_fields import SHOWN, Kind
from jobqueue.model.job_summary import JobSummary
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY, NO_HOST
from jobqueue.model.timeline import EVENTS, Event, note_in
from jobqueue.model.timestamps import from_iso

Document = Mapping[str, Any]
#: Objects that a parent cannot have, and that the page shows from the model.
_NONE = "\N{EN DASH}"
_LEFT_OUT = frozenset({Kind.ROLLOUT, Kind.CONCURRENCY, Kind.NEEDS})


def summary(document: Document) -> JobSummary:
    """A job of a list."""
    counts = _counts(document)
    return JobSummary(
        id=document["id"],
        status=JobStatus(document["status"]),
        created=micros(document.get("created")),
        updated=micros(document.get("updated_at")),
        operation=_operation(document)[0],
        target=text(document.get("target_hostname")),
        counts=counts,
        alias=text(document.get("alias")) or None,
        title=text(document.get("title")) or None,
        hostname=text(document.get("hostname")),
        is_broadcast=is_broadcast(document),
        cancel_requested=document.get("cancel_requested") is True,
    )


def job(document: Document) -> Job:
    """A job with the executions that its document names."""
    operation, data = _operation(document)
    counts, events = _counts(document), _events(document)
    hosts = _mapping(document.get("agent_states"))
    responses = _mapping(document.get("responses"))
    is_many = is_broadcast(document)
    fields = {field.name: _value(field.kind, document.get(field.shown_as), field.default) for field in SHOWN}
    if not {"name", "version"} <= _mapping(document.get("saved")).keys():
        fields["saved"] = None
    executions = tuple(
        _execution(name, _mapping(state), _mapping(responses.get(name)), events.get(name, ()))
        for name, state in hosts.items()
        if text(_mapping(state).get("status")) in _STATES
    )
    return Job(
        **fields,
        id=document["id"],
        status=JobStatus(document["status"]),
        created=micros(document.get("created")),
        updated=micros(document.get("updated_at")),
        operation=operation,
        data=data,
        executions=executions or ((_nothing(),) if not is_many else ()),
        events=tuple(event for name, steps in events.items() if name not in hosts for event in steps),
        retried_as=tuple(map(str, document.get("retried_as") or ())),
        cancel_requested=document.get("cancel_requested") is True,
        is_broadcast=is_many,
        counts=counts,
        total=sum(counts.values()),
    )


def is_broadcast(document: Document) -> bool:
    """Whether the job is for all agents that its target names."""
    states = _mapping(document.get("agent_states"))
    number = max(sum(_counts(document).values()), len(states), len(_list(document.get("expected_agents"))))
    return number > 1 or document.get("target_hostname") not in (ANY, document.get("hostname"))


def agent(document: Document) -> dict[str, Any]:
    """An agent with all fields that pages show: a dash for what is missing."""
    texts = {name: text(document.get(name)) or _NONE for name in ("cell", "hostname", "status", "state", "version")}
    numbers = {name: number(document.get(name)) for name in ("running", "concurrency", "queue_length")}
    times = {name: text(document.get(name)) for name in ("last_heartbeat", "started_at")}
    mappings = {name: _mapping(document.get(name)) for name in ("labels", "facts")}
    conditions = [condition for condition in _list(document.get("conditions")) if isinstance(condition, str)]
    return {**texts, **numbers, **times, **mappings, "conditions": conditions}


def report(section: Document) -> dict[str, Any]:
    """What a cell reports of itself, as far as a page shows it; an empty status without a report."""
    document = _mapping(section.get("report"))
    agents = _mapping(document.get("agents"))
    return {"status": text(document.get("status"))} | {name: number(agents.get(name)) for name in ("live", "running")}


def alert(document: Document) -> dict[str, Any]:
    """An alert of a cell."""
    texts = {name: text(document.get(name)) for name in ("cell", "timestamp", "message")}
    return {**texts, "acknowledged": bool(document.get("acknowledged"))}


def number(value: Any) -> Any:
    """A number, or a dash for anything else."""
    return value if type(value) in (int, float) else _NONE


def micros(value: Any) -> int:
    """The microseconds of a time, 0 without one."""
    try:
        return from_iso(value) if isinstance(value, str) else 0
    except (ValueError, OverflowError):
        return 0


_STATES = frozenset(state.value for state in ExecutionState)


def _execution(name: str, state: Document, response: Document, events: Iterable[Event]) -> Execution:
    steps = tuple(events)
    current = ExecutionState(state["status"])
    started = max((event.at for event in steps if event.event == "started"), default=0)
    ended = steps[-1].at if steps and current.is_final else 0
    failure = response.get("details")
    return Execution(
        slot=name,
        hostname="" if name in NO_HOST else name,
        state=current,
        attempt=sum(event.event == "started" for event in steps),
        started=started,
        finished=ended,
        data=response.get("data"),
        changed=response.get("changed") if isinstance(response.get("changed"), bool) else None,
        error=text(response.get("error") or state.get("error")) or None,
        events=steps,
        info=_mapping(state.get("info")),
        failure=failure if isinstance(failure, Mapping) else None,
        authenticity=text(response.get("authenticity")) or None,
        held_by=text(state.get("held_by")),
    )


def _nothing() -> Execution:
    """In place of the execution of a job that no cell has yet."""
    return Execution(ANY, "", ExecutionState.SUBMITTED)


def _events(document: Document) -> dict[str, list[Event]]:
    """The steps of a timeline, by hostname."""
    by_host: dict[str, list[Event]] = {}
    for step in _list(document.get("timeline")):
        name, hostname = text(step.get("event")), text(step.get("hostname"))
        if name in EVENTS:
            note = text(step.get("error")) or note_in(text(step.get("message")), name, hostname)
            by_host.setdefault(hostname, []).append(Event(micros(step.get("timestamp")), name, hostname, note))
    return by_host


def _value(kind: Kind, value: Any, default: Any) -> Any:
    """The value of a field; its default for what is not one."""
    if value is None or kind in _LEFT_OUT:
        return default
    if kind is Kind.TIME:
        return micros(value) or None
    if kind is Kind.POLICY:
        try:
            return RetryPolicy(**value)
        except TypeError:
            return default
    if kind in (Kind.PAIRS, Kind.OBJECT):
        return value if isinstance(value, Mapping) else default
    if kind is Kind.TEXTS:
        return tuple(map(str, _list(value)))
    if kind in (Kind.NUMBER, Kind.DIGIT):
        return value if type(value) in (int, float) else default
    return value if isinstance(value, str) else default


def _operation(document: Document) -> tuple[str, Mapping[str, Any]]:
    operation = _mapping(document.get("operation"))
    return text(operation.get("type")), _mapping(operation.get("data"))


def _counts(document: Document) -> dict[ExecutionState, int]:
    counts = _mapping(document.get("execution_counts"))
    return {ExecutionState(state): count for state, count in counts.items() if state in _STATES and type(count) is int}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, empty for anything else."""
    return value if isinstance(value, str) else ""
