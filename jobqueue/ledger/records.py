"""From the ledger's records of jobs and executions to the model.

``opening.py`` decodes the fields of jobs that are opened in steps; no other module knows the fields of these hashes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobqueue.ledger import decoding, opening
from jobqueue.model.external_run import CONFIG, END, EXTERNAL_SLOT, RESULT, START, ExternalRun
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_fields import FIELDS, LISTED
from jobqueue.model.job_summary import JobSummary
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY, NO_HOST
from jobqueue.model.timeline import EVENTS, Event
from jobqueue.model.timestamps import from_iso

#: The values in front of the listed fields in an answer of ``summarize_jobs.lua``.
_HEAD = ("status", "created", "updated", "host", "slot", "fanout", "cancel")
_FINAL_EVENTS = frozenset(state.value for state in ExecutionState if state.is_final)


def job(job_id: str, answer: list[Any]) -> Job:
    """The answer of ``read_job.lua`` as a job. Raises one of ``decoding.FAULTS`` for an altered record."""
    document, flat, raw, driver_report, slots, total = answer
    doc, fields = decoding.parsed_object(document), decoding.pairs(flat)
    external_run = _external_run(fields, driver_report, doc)
    is_broadcast = "fanout" in fields
    decoded = executions(raw, fields)
    if not total or not (decoded or is_broadcast):
        raise ValueError("it has no executions")
    if external_run is not None:
        decoded = tuple(_driven(x, fields.get("host", ""), external_run) for x in decoded)
    requested = _requested(doc, fields)
    if external_run is not None:
        requested["data"] = decoding.object_of(external_run.reported.get(CONFIG, {}))
    return Job(
        id=job_id,
        status=JobStatus(fields["status"]),
        created=decoding.integer(fields["created"]),
        updated=decoding.integer(fields["updated"]),
        executions=decoded,
        events=(*_events(fields), *opening.events(fields)),
        rollout_progress=opening.progress(fields),
        expected_agents=tuple(slot for slot in slots if slot not in (*NO_HOST, EXTERNAL_SLOT)),
        external_run=external_run,
        retried_as=tuple(fields.get("retried_as", "").split()),
        cancel_requested="cancel" in fields,
        is_broadcast=is_broadcast,
        document=document,
        counts={
            state: count for state in ExecutionState if (count := decoding.integer(fields.get(f"n.{state}", 0))) > 0
        },
        total=decoding.integer(total),
        **requested,
    )


def executions(raw: list[Any], job_fields: Mapping[str, str]) -> tuple[Execution, ...]:
    """Executions as scripts return them: slot, fields, separately stored result. Raises one of ``decoding.FAULTS``.

    An execution without a record, of a job that is opened in steps, has not been opened.
    """
    unopened = opening.rest_of(job_fields) if "opened" in job_fields else None
    holder = "rollout" if "rollout" in job_fields else "opening"
    return tuple(
        opening.held_execution(slot, unopened, holder)
        if unopened is not None and not record
        else _execution(slot, decoding.pairs(record), out)
        for slot, record, out in zip(raw[::3], raw[1::3], raw[2::3], strict=True)
    )


def _requested(doc: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The caller's request: from the document, or for unsigned fields from the hash."""
    return {
        field.name: decoding.field(field, doc.get(field.name) if field.is_signed else fields.get(field.stored))
        for field in FIELDS
    }


def unreadable(job_id: str, fields: Mapping[str, str], error: str) -> Job:
    """The placeholder for an unreadable job in lists: its readable fields, and the ``error``."""
    status = fields.get("status")
    shown_status = JobStatus(status) if status in set(JobStatus) else JobStatus.FAILED
    state = ExecutionState.FAILED if shown_status.is_final else ExecutionState.SUBMITTED
    return Job(
        id=job_id,
        status=shown_status,
        created=_or_never(fields.get("created")),
        updated=_or_never(fields.get("updated")),
        operation=fields.get("op", "?"),
        data={},
        target=fields.get("target", "?"),
        executions=(Execution(ANY, "", state, error=error),),
        is_readable=False,
    )


def unreadable_summary(job_id: str, row: list[Any]) -> JobSummary:
    """The same placeholder as a summary."""
    named = zip((*_HEAD, *(field.stored for field in LISTED)), row, strict=False)
    job = unreadable(job_id, {name: value for name, value in named if isinstance(value, str)}, "")
    return JobSummary(
        id=job_id,
        status=job.status,
        created=job.created,
        updated=job.updated,
        operation=job.operation,
        target=job.target,
        is_readable=False,
    )


def _or_never(text: str | None) -> int:
    try:
        return decoding.integer(text)
    except ValueError:
        return 0


def job_summary(job_id: str, row: list[Any]) -> JobSummary:
    """One row of ``summarize_jobs.lua`` as a summary. Raises one of ``decoding.FAULTS``."""
    status, created, updated, host, slot, fanout, cancel, *rest = row
    listed, counts = rest[: len(LISTED)], rest[len(LISTED) :]
    return JobSummary(
        id=job_id,
        status=JobStatus(status),
        created=decoding.integer(created),
        updated=decoding.integer(updated),
        counts={
            state: number
            for state, count in zip(ExecutionState, counts, strict=True)
            if (number := decoding.integer(count or 0))
        },
        # an agent may have claimed it before; it is now back in the shared queue
        hostname="" if slot in NO_HOST else host or "",
        is_broadcast=bool(fanout),
        cancel_requested=bool(cancel),
        **{field.name: decoding.field(field, text or None) for field, text in zip(LISTED, listed, strict=True)},
    )


def _execution(slot: str, fields: Mapping[str, str], out: str | None) -> Execution:
    state = ExecutionState(fields["state"])
    events = _events(fields)
    last = events[-1] if events else None
    out = out or _joined(fields, "o")
    return Execution(
        slot=slot,
        hostname="" if slot in NO_HOST else slot,
        state=state,
        attempt=decoding.integer(fields["attempt"]),
        started=_started(events),
        finished=last.at if last and last.event in _FINAL_EVENTS else 0,
        error=last.error if last else None,
        events=events,
        signature=_joined(fields, "s"),
        out=out,
        held_by=_held_by(state, fields),
        **(_answer(out) if out else {}),
    )


def _held_by(state: ExecutionState, fields: Mapping[str, str]) -> str:
    """The reason why an execution was put off: a pause, a concurrency key, or the rate of its job."""
    reason = fields.get("parked", "")
    if reason:
        return "pause" if reason.startswith("pause:") else "concurrency"
    return "rate" if "paced" in fields and state is ExecutionState.SUBMITTED else ""


def _answer(out: str) -> dict[str, Any]:
    """An agent's answer: data, changed, info, failure."""
    answer = decoding.parsed_object(out)
    if not answer.keys() <= {"data", "changed", "info", "failure"}:
        raise ValueError("an answer has unknown fields")
    decoding.object_of(answer.get("info", {}))
    if answer.get("failure") is not None:
        decoding.object_of(answer["failure"])
    if not isinstance(answer.get("changed"), (bool, type(None))):
        raise ValueError("the field `changed` of an answer is neither true nor false")
    return answer


def _joined(fields: Mapping[str, str], name: str) -> str:
    """A text that was split into the fields ``name`` 1, 2 and so on."""
    parts = itertools.takewhile(bool, (fields.get(f"{name}{number}") for number in itertools.count(1)))
    return "".join(map(str, parts))


def _external_run(fields: Mapping[str, str], driver_report: list[str], doc: Mapping[str, Any]) -> ExternalRun | None:
    if "outside" not in fields:
        return None
    reported = {name: decoding.parsed(text) for name, text in decoding.pairs(driver_report).items()}
    for name in (CONFIG, RESULT):
        decoding.object_of(reported.get(name, {}))
    for name in (START, END):
        if reported.get(name):
            from_iso(decoding.text(reported[name]))
    if reported.get("duration") is not None:
        decoding.number(reported["duration"])
    return ExternalRun(decoding.text(fields["outside"]), reported, decoding.text(doc.get("reported_as", "")))


def _driven(execution: Execution, hostname: str, external_run: ExternalRun) -> Execution:
    """The execution of an external run: its driver's host is not a slot, and its result is the driver's report."""
    data = external_run.reported.get(RESULT) if execution.state.is_final else None
    return replace(execution, hostname=hostname, data=data)


def _started(events: tuple[Event, ...]) -> int:
    """When the present attempt started to run; 0 if it has not started, even if an earlier attempt did."""
    for event in reversed(events):
        if event.event in ("started", "retried"):
            return event.at if event.event == "started" else 0
    return 0


def _events(fields: Mapping[str, str]) -> tuple[Event, ...]:
    events = []
    for number in range(1, decoding.integer(fields.get("events", 0)) + 1):
        at, event, host, note = fields[f"e{number}"].split("|", 3)
        if event not in EVENTS:
            raise ValueError("unknown timeline event")
        events.append(Event(decoding.integer(at), event, host, note))
    return tuple(events)
