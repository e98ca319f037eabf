"""Decodes the fields of a job that is opened in steps (``lua/include/rollout.lua``). Raises ``decoding.FAULTS``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from jobqueue.ledger import decoding
from jobqueue.model.job import Execution
from jobqueue.model.rollout import MAX_BATCHES
from jobqueue.model.rollout_progress import COUNTED, OpeningRecord, RolloutProgress
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.timeline import API_HOST, Event

#: State, time and reason of the executions that never had a record; their state is ``submitted`` while they are held.
Rest = tuple[ExecutionState, int, str]


def rest_of(fields: Mapping[str, str]) -> Rest:
    """The common state of the executions without a record."""
    if "rest" not in fields:
        return ExecutionState.SUBMITTED, 0, ""
    state, at, reason = fields["rest"].split("|", 2)
    return ExecutionState(state), decoding.integer(at), reason


def held_execution(slot: str, rest: Rest, holder: str) -> Execution:
    """The execution of a host that has not been opened."""
    state, at, reason = rest
    error = reason if state is ExecutionState.EXPIRED else None
    return Execution(slot, slot, state, finished=at, error=error, held_by="" if state.is_final else holder)


def events(fields: Mapping[str, str]) -> tuple[Event, ...]:
    """The steps of the job's batches, and the joint end of what it held."""
    timeline = []
    for number, (opened, ended, _) in enumerate(_ends(fields), 1):
        timeline.append(Event(opened, "batch_opened", API_HOST, str(number)))
        if ended:
            timeline.append(Event(ended, "batch_ended", API_HOST, str(number)))
    stopped, reason = _timed(fields, "stopped")
    if stopped and not reason.startswith("aborted "):
        timeline.append(Event(stopped, "stopped", API_HOST, reason))
    state, at, reason = rest_of(fields)
    if state.is_final:
        timeline.append(Event(at, state.value, API_HOST, reason))
    return tuple(timeline)


def progress(fields: Mapping[str, str]) -> RolloutProgress | None:
    """The progress of a rollout; None for any other job, and if its terms were altered."""
    terms = fields.get("rollout", "").split("|")
    if len(terms) != 6:
        return None
    canary, batch, max_failures = (decoding.integer(term) for term in terms[:3])
    counts = {state: decoding.integer(fields.get(f"n.{state}", 0)) for state in ExecutionState}
    hosts = sum(counts.values())
    if batch < 1 or (hosts - canary) > batch * MAX_BATCHES:
        raise ValueError("its rollout has more batches than one can have")
    state, _, _ = rest_of(fields)
    stopped, reason = _timed(fields, "stopped")
    return OpeningRecord(
        hosts=hosts,
        canary=canary,
        batch=batch,
        max_failures=max_failures,
        opened=decoding.integer(fields["opened"]),
        gate=decoding.integer(fields["gate"]),
        opens=decoding.integer(fields.get("opens", 0)),
        ends=_ends(fields),
        counts=counts,
        now_running=not JobStatus(fields["status"]).is_final,
        rest=state if state.is_final else None,
        paused=decoding.integer(fields.get("paused", 0)),
        awaits=decoding.integer(fields.get("awaits", 0)),
        stopped=stopped,
        stopped_because=reason,
    ).progress()


def _timed(fields: Mapping[str, str], name: str) -> tuple[int, str]:
    at, _, text = fields.get(name, "0|").partition("|")
    return decoding.integer(at), text


def _ends(fields: Mapping[str, str]) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    batches = []
    for number in itertools.count(1):
        line = fields.get(f"b{number}")
        if line is None:
            break
        opened, ended, *counts = line.split("|")
        totals = tuple(decoding.integer(count) for count in counts[0].split(",")) if counts else ()
        if totals and len(totals) != len(COUNTED):
            raise ValueError("a batch does not have one count for each state")
        batches.append((decoding.integer(opened), decoding.integer(ended or 0), totals))
    return tuple(batches)
