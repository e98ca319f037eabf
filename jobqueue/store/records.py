"""Raw records of the ledger -> the model. The only place that knows the fields of the hashes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobqueue.model.glance import Glance
from jobqueue.model.job import Execution, Job
from jobqueue.model.outside import CONFIG, OUTSIDE, RESULT, Outside
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY
from jobqueue.model.timeline import Event

_FINAL_EVENTS = frozenset(state.value for state in ExecutionState if state.is_final)


def job(job_id: str, answer: list[Any]) -> Job:
    """What ``read.lua`` answered -> the job."""
    document, flat, raw, told = answer
    doc, fields = json.loads(document), _pairs(flat)
    outside = _outside(fields, told)
    executions = tuple(
        _execution(slot, _pairs(record), out) for slot, record, out in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    )
    if outside is not None:
        executions = tuple(_driven(x, fields.get("host", ""), outside) for x in executions)
    return Job(
        id=job_id,
        status=JobStatus(fields["status"]),
        created=int(fields["created"]),
        updated=int(fields["updated"]),
        operation=doc["operation"],
        data=doc["data"] if outside is None else outside.told.get(CONFIG, {}),
        target=doc["target"],
        executions=executions,
        events=_events(fields),
        expected_agents=tuple(slot for slot in raw[::3] if slot not in (ANY, OUTSIDE)),
        timeout_seconds=doc.get("timeout_seconds"),
        not_before=doc.get("not_before"),
        expires_at=doc.get("expires_at"),
        retries=RetryPolicy(**doc["retries"]) if "retries" in doc else None,
        priority=int(fields["prio"]),
        tags=doc.get("tags", {}),
        origin=doc.get("origin", "native"),
        submitted_by=doc.get("submitted_by", ""),
        alias=doc.get("alias"),
        exclusive=doc.get("exclusive"),
        among=tuple(doc.get("among", ())),
        request=doc.get("request"),
        outside=outside,
        retry_of=doc.get("retry_of"),
        retried_as=tuple(fields.get("retried_as", "").split()),
        cancel_requested="cancel" in fields,
        is_broadcast="fanout" in fields,
        document=document,
    )


def glance(job_id: str, row: list[Any]) -> Glance:
    """One row that ``glance.lua`` answered -> the head of the job."""
    status, created, updated, operation, target, alias, host, slot, fanout, cancel, *counts = row
    return Glance(
        id=job_id,
        status=JobStatus(status),
        created=int(created),
        updated=int(updated),
        operation=operation,
        target=target,
        counts={state: int(count) for state, count in zip(ExecutionState, counts, strict=True) if int(count or 0)},
        alias=alias or None,
        # it may have been on an agent before, and wait for any one again
        hostname="" if slot == ANY else host or "",
        is_broadcast=bool(fanout),
        cancel_requested=bool(cancel),
    )


def _execution(slot: str, fields: Mapping[str, str], out: str | None) -> Execution:
    state = ExecutionState(fields["state"])
    events = _events(fields)
    last = events[-1] if events else None
    out = out or _joined(fields, "o")
    return Execution(
        slot=slot,
        hostname="" if slot == ANY else slot,
        state=state,
        attempt=int(fields["attempt"]),
        started=_started(events),
        finished=last.at if last and last.event in _FINAL_EVENTS else 0,
        error=last.error if last else None,
        events=events,
        signature=_joined(fields, "s"),
        out=out,
        **(json.loads(out) if out else {}),
    )


def _joined(fields: Mapping[str, str], name: str) -> str:
    """A text that was cut into the fields ``name`` 1, 2 and so on."""
    parts = itertools.takewhile(bool, (fields.get(f"{name}{number}") for number in itertools.count(1)))
    return "".join(map(str, parts))


def _outside(fields: Mapping[str, str], told: list[str]) -> Outside | None:
    if "outside" not in fields:
        return None
    return Outside(fields["outside"], {name: json.loads(text) for name, text in _pairs(told).items()})


def _driven(execution: Execution, hostname: str, outside: Outside) -> Execution:
    """The execution of a run elsewhere: its driver's host is no slot of ours, its result is what the driver told."""
    data = outside.told.get(RESULT) if execution.state.is_final else None
    return replace(execution, hostname=hostname, data=data)


def _started(events: tuple[Event, ...]) -> int:
    """When the last attempt began to run; 0 if it has not, also after an earlier one did."""
    for event in reversed(events):
        if event.event in ("started", "retried"):
            return event.at if event.event == "started" else 0
    return 0


def _events(fields: Mapping[str, str]) -> tuple[Event, ...]:
    found = []
    for number in range(1, int(fields.get("events", 0)) + 1):
        at, event, host, note = fields[f"e{number}"].split("|", 3)
        found.append(Event(int(at), event, host, note))
    return tuple(found)


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
