"""Holds a ledger that should be at rest against what was promised, and against itself. Pure: records in, findings out.

It repeats the rules on purpose: with the program's own code it would share the program's mistakes. Only the table of
states and the list of keys are the program's, because they are its definition.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.ledger.keys import KINDS
from jobqueue.model.states import ExecutionState, JobStatus, derive_status, is_allowed
from tests.chaos.book import Promise
from tests.chaos.snapshot import Snapshot, owner_of

#: (number of the request, hostname) -> runs by attempt, "-" where what ran does not know its attempt.
Runs = Mapping[tuple[int, str], Counter[str]]

#: event -> the state that it leads to
_AFTER = {"retried": ExecutionState.SUBMITTED} | {
    state.value: state for state in ExecutionState if state is not ExecutionState.SUBMITTED
}
_STATES = [state.value for state in ExecutionState]
#: Keys that Celery and kombu leave in the database: names of queues, and of the remote control's.
_CELERYS = ("_kombu.binding",)

LOST_JOB = "lost job"
DOUBLED_JOB = "doubled job"
STRANGE_JOB = "job that nobody asked for"
NOT_FINAL = "not final"
FINAL_TWICE = "final more than once"
TIMELINE = "impossible timeline"
BACKWARDS = "time runs backwards"
COUNTS = "counts differ from a recount"
STATUS = "status does not follow from the executions"
INDEX = "index is not exact"
PENDING = "waits for nothing"
ORPHAN = "key without an owner"
RECORD = "record is not whole"
RAN_TOO_OFTEN = "ran too often"
NEVER_RAN = "completed without a run"
STALE_ANSWER = "answer of another attempt"
BATCH = "a batch was opened too early"
RATE = "started faster than its rate"
LOST = frozenset({LOST_JOB, NOT_FINAL, NEVER_RAN})
DOUBLED = frozenset({DOUBLED_JOB, FINAL_TWICE, RAN_TOO_OFTEN, STALE_ANSWER})


@dataclass(frozen=True)
class Violation:
    """One broken promise."""

    kind: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.detail}"


def check(snapshot: Snapshot, promises: Iterable[Promise], runs: Runs) -> list[Violation]:
    """Every broken promise in a ledger in which everything should have come to its end."""
    known = list(promises)
    found = [*_jobs_asked_for(snapshot, known)]
    for job_id, job in snapshot.kinds["job"].items():
        found += _record(snapshot, job_id, job)
        found += _executions(snapshot, job_id, job)
        found += _batches(snapshot, job_id, job)
        found += _rate(snapshot, job_id, job)
    found += _indexes(snapshot)
    found += _pending(snapshot)
    found += _owners(snapshot)
    found += _side_effects(snapshot, known, runs)
    return found


# --- jobs -------------------------------------------------------------------------------------------------------------


def _jobs_asked_for(snapshot: Snapshot, promises: list[Promise]) -> Iterator[Violation]:
    """What was accepted is there, once; what is there was asked for."""
    jobs = snapshot.kinds["job"]
    by_number: dict[str, list[str]] = {}
    for job_id, job in jobs.items():
        by_number.setdefault(_number(job), []).append(job_id)
    for promise in promises:
        subject = f"request {promise.request.number}"
        there = by_number.pop(str(promise.request.number), [])
        if promise.outcome == "accepted":
            if promise.deleted:
                if there:
                    yield Violation(STRANGE_JOB, subject, f"was deleted, and {there} is there")
            elif promise.job_id not in jobs and not promise.maybe_deleted:
                yield Violation(LOST_JOB, subject, f"job {promise.job_id} was accepted and is gone")
        if promise.outcome == "refused":
            # an earlier try, whose answer was lost, may have come later than the one that was refused
            made = [one for one in there if promise.tries == 1 or int(jobs[one].get("created", 0)) < promise.asked]
            if made:
                yield Violation(STRANGE_JOB, subject, f"was refused, and {made} is there")
        if len(there) > 1:
            yield Violation(DOUBLED_JOB, subject, f"made {len(there)} jobs: {there}")
    for there in by_number.values():
        yield Violation(STRANGE_JOB, there[0], "belongs to no request")


def _number(job: Mapping[str, str]) -> str:
    """The number of the request that made a job: its tag n."""
    tags = dict(line.split(":", 1) for line in job.get("tags", "").splitlines())
    return tags.get("n", "")


def _record(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> Iterator[Violation]:
    """The job's own record is whole and agrees with its executions."""
    missing = [name for name in ("status", "created", "updated", "op", "target", "prio") if name not in job]
    if missing or job_id not in snapshot.kinds["doc"]:
        yield Violation(RECORD, job_id, f"lacks {missing or 'its document'}")
        return
    executions = snapshot.executions(job_id)
    if set(executions) != set(_slots(snapshot, job_id, job)):
        yield Violation(RECORD, job_id, f"has slots {_slots(snapshot, job_id, job)} and executions {list(executions)}")
    counted = Counter(record.get("state", "") for record in executions.values())
    held = len(snapshot.kinds["slots"].get(job_id, [])) - len(executions) if "opened" in job else 0
    if held:  # they ended together, without a record
        counted[job.get("rest", "submitted").split("|")[0]] += held
    if "submitted" in counted and held:
        yield Violation(NOT_FINAL, job_id, f"holds {held} executions")
    stored = {state: int(job.get(f"n.{state}", 0)) for state in _STATES}
    if counted != Counter({state: count for state, count in stored.items() if count}):
        yield Violation(COUNTS, job_id, f"says {stored}, has {dict(counted)}")
    derived = derive_status({ExecutionState(state): count for state, count in counted.items() if state in _STATES})
    if executions and derived.value != job["status"]:
        yield Violation(STATUS, job_id, f"is {job['status']}, its executions {dict(counted)} make it {derived.value}")
    yield from _times(job_id, job, int(job["created"]))
    last = max((int(record["last"]) for record in executions.values()), default=0)
    if int(job["updated"]) < last:
        yield Violation(BACKWARDS, job_id, f"was updated at {job['updated']}, before its last event at {last}")


def _slots(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> list[str]:
    """The slots that have a record."""
    if "fanout" not in job:
        return [job.get("slot", "")]
    slots = list(snapshot.kinds["slots"].get(job_id, []))
    return slots[: int(job["opened"])] if "opened" in job else slots


def _times(subject: str, record: Mapping[str, str], earliest: int) -> Iterator[Violation]:
    """The events are numbered without a gap and in the order of their times."""
    events = _events(record)
    if len([name for name in record if name[:1] == "e" and name[1:].isdigit()]) != int(record.get("events", 0)):
        yield Violation(TIMELINE, subject, f"has not {record.get('events')} events")
    times = [earliest, *(at for at, _ in events)]
    if times != sorted(times):
        yield Violation(BACKWARDS, subject, f"its events are at {times}")


def _events(record: Mapping[str, str]) -> list[tuple[int, str]]:
    """(time, event) in the order of their numbers."""
    texts = (record.get(f"e{number}", "") for number in range(1, int(record.get("events", 0)) + 1))
    return [(int(at), event) for at, event, *_ in (text.split("|", 3) for text in texts if text)]


# --- executions -------------------------------------------------------------------------------------------------------


def _executions(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> Iterator[Violation]:
    for slot, record in snapshot.executions(job_id).items():
        subject = f"{job_id} on {slot}"
        state = record.get("state", "")
        if state not in _STATES or not ExecutionState(state).is_final:
            yield Violation(NOT_FINAL, subject, f"is {state or 'nothing'}")
        yield from _times(subject, record, int(job["created"]))
        yield from _path(subject, record)
        has_answer = "data" in _out(snapshot, job_id, slot)
        # a run whose verification failed keeps its data
        is_kept = state == ExecutionState.FAILED.value and '"verify"' in snapshot.kinds["doc"].get(job_id, "")
        if has_answer != (state == ExecutionState.COMPLETED.value) and not is_kept:
            yield Violation(RECORD, subject, f"is {state} and has {'an' if has_answer else 'no'} answer")


def _path(subject: str, record: Mapping[str, str]) -> Iterator[Violation]:
    """The timeline is a way through the table of states, ends in the state, and reaches a final one once."""
    state, finals, starts = ExecutionState.SUBMITTED, 0, 0
    for _, event in _events(record):
        after = _AFTER.get(event)
        if after is None or not is_allowed(state, after):
            yield Violation(TIMELINE, subject, f"has {event} after {state}")
        if after is None:
            return
        state = after
        finals += state.is_final
        starts += event == "started"
    if finals > 1:
        yield Violation(FINAL_TWICE, subject, f"reached {finals} final states")
    if record.get("state") != state.value:
        yield Violation(TIMELINE, subject, f"is {record.get('state')}, its timeline ends with {state}")
    if int(record.get("attempt", 0)) != starts:
        yield Violation(TIMELINE, subject, f"is in attempt {record.get('attempt')} and was started {starts} times")


def _batches(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> Iterator[Violation]:
    """Nothing started before every earlier batch had ended, nor behind a limit of failures that was reached."""
    if "rollout" not in job:
        return
    canary, size, limit = (int(term) for term in job["rollout"].split("|")[:3])
    slots = list(snapshot.kinds["slots"].get(job_id, []))
    records = [snapshot.executions(job_id)[slot] for slot in _slots(snapshot, job_id, job)]
    bounds = [0, *([canary] if canary else [])]
    while bounds[-1] < len(slots):
        bounds.append(min(bounds[-1] + size, len(slots)))
    failures, ended = 0, 0
    for number, (first, end) in enumerate(itertools.pairwise(bounds), 1):
        batch = records[first:end]
        starts = [at for record in batch for at, event in _events(record) if event == "started"]
        if batch and (failures >= limit or (canary and first == canary and failures)):
            yield Violation(BATCH, job_id, f"batch {number} was opened after {failures} failures, the limit is {limit}")
        if starts and min(starts) < ended:
            yield Violation(
                BATCH, job_id, f"batch {number} started at {min(starts)}, the previous one ended at {ended}"
            )
        failures += sum(record.get("state") in ("failed", "expired", "lost") for record in batch)
        ended = max([ended, *(at for record in batch for at, _ in _events(record)[-1:])])


def _rate(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> Iterator[Violation]:
    """No period has more starts than the bucket holds, and what flows into it meanwhile."""
    if "rate" not in job:
        return
    burst, interval = (int(term) for term in job["rate"].split("|"))
    records = snapshot.executions(job_id).values()
    starts = sorted(at for record in records for at, event in _events(record) if event == "started")
    for first, begin in enumerate(starts):
        for number, end in enumerate(starts[first:], 1):
            if number > burst + (end - begin) / interval:
                yield Violation(RATE, job_id, f"started {number} in {end - begin} us; its rate is {job['rate']}")
                return


# --- indexes, and what points to records ------------------------------------------------------------------------------


def _listed_as(dimension: str, status: str) -> str:
    """The status in the name of an index: a broadcast is listed by host whatever its status, and other dimensions than
    "all" have one index for jobs that have not ended."""
    if dimension.startswith("broadcast:"):
        return ""
    is_one = dimension == "all:" or JobStatus(status).is_final
    return status if is_one else str(JobStatus.SUBMITTED)


def _indexes(snapshot: Snapshot) -> Iterator[Violation]:
    """Every index holds exactly what it must, with the time of creation; `finished` exactly the jobs that are final."""
    wanted: dict[str, dict[str, float]] = {}
    final: set[str] = set()
    for job_id, job in snapshot.kinds["job"].items():
        if not {"status", "created", "op", "target"} <= job.keys():
            continue  # reported already
        for dimension in _dimensions(snapshot, job_id, job):
            status = _listed_as(dimension, job["status"])
            wanted.setdefault(f"{dimension}|{status}", {})[job_id] = float(job["created"])
        if JobStatus(job["status"]).is_final:
            final.add(job_id)
    yield from _differences("index", snapshot.kinds["index"], wanted)
    finished = snapshot.one("finished")
    for job_id in final ^ set(finished):
        yield Violation(INDEX, "finished", f"{'holds' if job_id in finished else 'lacks'} {job_id}")
    for job_id, at in finished.items():
        if job_id in final and at < float(snapshot.kinds["job"][job_id]["created"]):
            yield Violation(BACKWARDS, job_id, f"became final at {at:.0f}, before it was created")


def _dimensions(snapshot: Snapshot, job_id: str, job: Mapping[str, str]) -> Iterator[str]:
    yield "all:"
    yield f"op:{job['op']}"
    yield f"target:{job['target']}"
    yield from (f"tag:{tag}" for tag in job.get("tags", "").splitlines())
    yield from (f"group:{group}" for group in job.get("groups", "").splitlines())
    if "fanout" in job:
        yield from (f"broadcast:{slot}" for slot in _slots(snapshot, job_id, job))
    elif "host" in job:
        yield f"host:{job['host']}"


def _differences(
    what: str, there: Mapping[str, Mapping[str, float]], wanted: Mapping[str, Mapping[str, float]]
) -> Iterator[Violation]:
    for name in sorted(there.keys() | wanted.keys()):
        holds, should = there.get(name, {}), wanted.get(name, {})
        for member in sorted(holds.keys() | should.keys()):
            if holds.get(member) != should.get(member):
                yield Violation(
                    INDEX, f"{what} {name}", f"has {member} at {holds.get(member)}, not {should.get(member)}"
                )


def _pending(snapshot: Snapshot) -> Iterator[Violation]:
    """Nothing waits, runs or is due any more, and no message is left."""
    for kind in ("due", "leases", "deadlines", "opening"):
        for member in snapshot.one(kind):
            yield Violation(PENDING, kind, member)
    for slot, waiting in snapshot.kinds["waiting"].items():
        for job_id in waiting:
            yield Violation(PENDING, f"waiting {slot}", job_id)
    for slot, messages in snapshot.kinds["queue"].items():
        yield Violation(PENDING, f"queue {slot!r}", f"{len(messages)} messages")


def _owners(snapshot: Snapshot) -> Iterator[Violation]:
    """Every key belongs to a job or an agent that exists, or to the deployment as a whole."""
    owners: dict[str, Mapping[str, Any]] = {"job": snapshot.kinds["job"], "hostname": snapshot.kinds["agent"]}
    for kind in KINDS.keys() - {"staged"}:  # those of submissions that were cut off expire
        for name in snapshot.kinds[kind]:
            owner = owner_of(kind, name)
            if owner is not None and owner[1] not in owners[owner[0]]:
                yield Violation(ORPHAN, f"{kind}:{name}", f"there is no {owner[0]} {owner[1]}")
    for key, value in snapshot.kinds["idem"].items():
        _, job_id, _, _ = value.split("|")
        if job_id not in snapshot.kinds["job"]:
            yield Violation(ORPHAN, f"idem:{key}", f"there is no job {job_id}")
    for key in snapshot.strange:
        if not key.startswith(_CELERYS):
            yield Violation(ORPHAN, key, "no kind of key explains it")


# --- side effects -----------------------------------------------------------------------------------------------------


def _side_effects(snapshot: Snapshot, promises: list[Promise], runs: Runs) -> Iterator[Violation]:
    """What completed has run; nothing ran more often than it may; the answer is that of the last attempt."""
    jobs = snapshot.kinds["job"]
    by_number = {_number(job): job_id for job_id, job in jobs.items()}
    for promise in promises:
        request = promise.request
        if promise.deleted or promise.maybe_deleted:
            continue  # how often it was started is not known any more
        job_id = by_number.get(str(request.number))
        own = {host: counted for (number, host), counted in runs.items() if number == request.number}
        if job_id is None:
            if own:
                yield Violation(RAN_TOO_OFTEN, f"request {request.number}", f"made no job and ran on {list(own)}")
            continue
        executions = snapshot.executions(job_id)
        for slot, record in executions.items():
            # an `_any` execution may have run on several hosts, one attempt each
            ran = own if len(executions) == 1 else {slot: own.get(slot, Counter[str]())}
            yield from _runs_of(f"{job_id} on {slot}", record, sum(ran.values(), Counter()), request.max_attempts)
            yield from _is_own(snapshot, job_id, slot)
        for host in own.keys() - executions.keys() if len(executions) > 1 else ():
            yield Violation(RAN_TOO_OFTEN, f"{job_id} on {host}", "ran where it has no execution")


def _runs_of(subject: str, record: Mapping[str, str], ran: Counter[str], allowed: int | None) -> Iterator[Violation]:
    attempts, total = int(record.get("attempt", 0)), sum(ran.values())
    if allowed is not None and max(total, attempts) > allowed:
        yield Violation(RAN_TOO_OFTEN, subject, f"{total} runs, {attempts} attempts, {allowed} allowed")
    elif total > attempts:
        yield Violation(RAN_TOO_OFTEN, subject, f"{total} runs in {attempts} attempts: {dict(ran)}")
    doubled = [attempt for attempt, count in ran.items() if attempt != "-" and count > 1]
    if doubled:
        yield Violation(RAN_TOO_OFTEN, subject, f"attempts {doubled} ran more than once")
    if record.get("state") == ExecutionState.COMPLETED.value and not total:
        yield Violation(NEVER_RAN, subject, "is completed and left no trace")


def _out(snapshot: Snapshot, job_id: str, slot: str) -> dict[str, Any]:
    """The answer as ``data``; beside it, or without one, what the execution reported of itself and why it failed."""
    place = f"{slot}:{job_id}"
    record = snapshot.kinds["exec"].get(place, {})
    short = "".join(record.get(name, "") for name in ("o1", "o2", "o3"))
    out: dict[str, Any] = json.loads(short or snapshot.kinds["out"].get(place, "{}"))
    return out


def _is_own(snapshot: Snapshot, job_id: str, slot: str) -> Iterator[Violation]:
    answer = _out(snapshot, job_id, slot).get("data", {})
    attempt = snapshot.executions(job_id)[slot].get("attempt")
    if "attempt" in answer and (str(answer["attempt"]), answer["hostname"]) != (attempt, slot):
        detail = f"attempt {answer['attempt']} on {answer['hostname']} answered for attempt {attempt}"
        yield Violation(STALE_ANSWER, f"{job_id} on {slot}", detail)
