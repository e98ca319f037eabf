"""One job from the parts that cells have of it, as the JSON of the native API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.model.job_fields import SHOWN
from jobqueue.model.parent import RETRY_OF, SAVED, Parent, Part, PartState
from jobqueue.model.states import ExecutionState, derive_status
from jobqueue.model.timestamps import to_iso

Document = dict[str, Any]
#: Separates a hostname from its cell where two cells know the same hostname. No hostname contains it.
AT = "@"


def job_document(parent: Parent, documents: Mapping[str, Document]) -> Document:
    """The parent as a job. ``documents`` are the jobs of its parts by cell, of the cells that have answered.

    A job without a document of a part has what the front knows of that part: its last status and counts.
    ``partial`` says so, and ``cells`` has the state of each part.
    """
    jobs = [documents[cell] for cell in sorted(documents)]
    document = {**_of_request(parent), **(_common(jobs[0]) if jobs else {})}
    counts = execution_counts(parent, documents)
    document |= {
        "id": parent.id,
        "status": status(parent, documents),
        "created": to_iso(parent.created),
        "updated_at": max([to_iso(parent.created), *(str(job.get("updated_at") or "") for job in jobs)]),
        "submitted_by": parent.submitted_by,
        "tags": parent.request.get("tags") or {},
        "saved": parent.request.get(SAVED),
        "target_hostname": parent.request.get("target_hostname"),
        "retry_of": parent.request.get(RETRY_OF),
        "result": None if parent.is_broadcast or not jobs else jobs[0].get("result"),
        "changed": _changed([job.get("changed") for job in jobs], is_whole=len(jobs) == len(parent.parts)),
        "error": _error(parent, documents),
        "hostname": next((str(job["hostname"]) for job in jobs if job.get("hostname")), ""),
        "attempts": max((int(job.get("attempts") or 0) for job in jobs), default=0),
        "expected_agents": sorted({name for job in jobs for name in job.get("expected_agents") or ()}),
        "retried_as": [name for job in jobs for name in job.get("retried_as") or ()],
        "cancel_requested": bool(parent.cancelled_by) or any(job.get("cancel_requested") for job in jobs),
        "execution_counts": counts,
        "executions_left_out": sum(int(job.get("executions_left_out") or 0) for job in jobs),
        "executions_url": f"/job/{parent.id}/executions",
        "responses": _by_host(documents, "responses"),
        "agent_states": _by_host(documents, "agent_states"),
        "timeline": _timeline(jobs),
        "partial": is_partial(parent, documents),
        "cells": [part_document(part, documents) for part in parent.parts],
    }
    return document


def is_partial(parent: Parent, documents: Mapping[str, Document]) -> bool:
    """Whether a part is not shown as it is now: its cell has not confirmed it, or has not answered."""
    shown = (PartState.CREATED, PartState.PENDING)
    return any(part.state in shown and part.cell not in documents for part in parent.parts)


def part_document(part: Part, documents: Mapping[str, Document]) -> Document:
    """The state of one part."""
    seen = documents.get(part.cell)
    return {
        "cell": part.cell,
        "state": part.state.value,
        "job_id": part.job_id or None,
        "status": (str(seen["status"]) if seen else part.status) or None,
        "error": part.error or None,
        "answered": seen is not None,
    }


def status(parent: Parent, documents: Mapping[str, Document]) -> str:
    """The status over all parts: of those in ``documents`` as they are now, of the others as they were last seen."""
    counts: Counter[ExecutionState] = Counter()
    for part in parent.parts:
        seen = documents.get(part.cell)
        now = counts_of(seen) if seen else {}
        counts.update({ExecutionState(state): count for state, count in now.items()} if now else part.counted)
    return (derive_status(counts) if counts else parent.status).value


def execution_counts(parent: Parent, documents: Mapping[str, Document]) -> dict[str, int]:
    """The executions of all parts by state."""
    counts: Counter[str] = Counter()
    for part in parent.parts:
        seen = documents.get(part.cell)
        counts.update(counts_of(seen) if seen else part.counts)
    return {state.value: counts[state.value] for state in ExecutionState if counts[state.value]}


def counts_of(document: Mapping[str, Any]) -> dict[str, int]:
    """The counts of executions in a job's document; what is not a state with a number is left out."""
    counts = document.get("execution_counts")
    known = {state.value for state in ExecutionState}
    items = counts.items() if isinstance(counts, dict) else ()
    return {state: count for state, count in items if state in known and type(count) is int and count > 0}


def _of_request(parent: Parent) -> Document:
    """The fields that a job has before any cell knows it."""
    request = parent.request
    operation = request.get("operation") or {}
    fields = {field.shown_as: request.get(field.shown_as, request.get(field.name)) for field in SHOWN}
    return {
        **fields,
        "operation": {"type": operation.get("type"), "data": operation.get("data") or {}},
        "rollout": None,
    }


def _common(document: Document) -> Document:
    """What all parts have in common: their request, as a cell understood it."""
    names = {"operation", "rollout", *(field.shown_as for field in SHOWN)}
    return {name: value for name, value in document.items() if name in names}


def _by_host(documents: Mapping[str, Document], name: str) -> Document:
    """The entries of all cells by hostname; of a hostname that two cells know, the later ones by host and cell."""
    merged: Document = {}
    for cell in sorted(documents):
        for hostname, entry in (documents[cell].get(name) or {}).items():
            merged[f"{hostname}{AT}{cell}" if hostname in merged else hostname] = entry
    return merged


def _changed(values: list[Any], *, is_whole: bool) -> bool | None:
    """As of a broadcast: whether any part made a change; None if that is not known of all."""
    if any(value is True for value in values):
        return True
    return False if is_whole and values and all(value is False for value in values) else None


def _error(parent: Parent, documents: Mapping[str, Document]) -> str | None:
    errors = [f"{cell}: {documents[cell]['error']}" for cell in sorted(documents) if documents[cell].get("error")]
    if len(parent.parts) == 1 and errors:
        return str(next(iter(documents.values()))["error"])
    return "; ".join([*errors, *([parent.error] if parent.error else [])]) or None


def _timeline(documents: Iterable[Document]) -> list[Document]:
    """The events of all parts by time; the order of a part's events of one time is kept."""
    events = [event for document in documents for event in document.get("timeline") or ()]
    return sorted(events, key=lambda event: str(event.get("timestamp")))
