"""Schedules in the ledger. Every schedule is sealed: the API submits jobs with the permissions of its owner."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import RecordAltered, ScheduleExists, ScheduleNotFound
from jobqueue.ledger import decoding
from jobqueue.ledger.numbered_records import NumberedKind, NumberedRecords, one_line, whole_number
from jobqueue.ledger.scripts import Argument, Clock, redis_clock
from jobqueue.ledger.sealed_records import SealedStorage
from jobqueue.model.schedule import Outcome, Progress, Result, Schedule, ScheduleView
from jobqueue.model.stored_limits import KEPT_RESULTS

#: Maximum number of schedules.
MOST_SCHEDULES = 100_000
#: Maximum number of schedules of one page.
MAX_PAGE = 100
#: In place of a next time: keep it.
_KEEP = "="
_KIND = NumberedKind(
    name="schedule",
    noun="schedule",
    remedy="It does not fire; delete it, and create it again.",
    most=MOST_SCHEDULES,
    kept=KEPT_RESULTS,
    read="read_schedules",
    store="store_schedule",
)


@dataclass(frozen=True)
class Taken:
    """The work of the process that fires schedules. ``now`` is the ledger's time; ``first``: when the next schedule
    is due; ``due``: names of those that are; ``ahead``: names of those whose times were computed before the clock went
    back; ``is_following``: schedules or runs of workflows follow the ends of jobs; ``has_endings``: there are some that
    have not been processed for them.
    """

    now: int
    first: int | None
    due: tuple[str, ...]
    ahead: tuple[str, ...]
    has_endings: bool
    is_following: bool


@dataclass(frozen=True)
class Step:
    """A schedule moves on from ``progress.next`` without a job: to ``next``, which fires when it is ``due``.

    ``result``: the result of the times that have passed, if any. ``waits`` and ``seen`` are as in ``Progress``.
    """

    schedule: Schedule
    progress: Progress
    next: int | None
    due: int | None
    result: Result | None = None
    waits: int | None = None
    seen: int | None = None


@dataclass(frozen=True)
class Ending:
    """A job has ended, by an event that an agent may have written; ``names`` are the schedules that follow it."""

    event: str
    job_id: str
    status: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Endings:
    """Endings of jobs after the cursor ``before``. ``after``: the cursor once they are processed; ``is_cut``: events
    after ``before`` may have been removed before they were read.
    """

    before: str
    after: str
    is_cut: bool
    endings: tuple[Ending, ...]


class Schedules(NumberedRecords[ScheduleView]):
    """The schedules of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage, *, now: Clock = redis_clock) -> None:
        super().__init__(storage, _KIND, now)

    def change(self, schedule: Schedule, before: str) -> None:
        """Store a schedule in place of the one with the serial number ``before``; its next time remains.

        Raises as ``put``.
        """
        self._store(schedule.name, before, self._sealed(schedule), schedule.serial, _KEEP, "", _followed(schedule))

    def put(self, schedule: Schedule, before: str, next_time: int | None, due: int | None) -> None:
        """Store a schedule in place of the one with the serial number ``before`` ('': it is new), and its next time.

        Raises ``ScheduleExists``, ``ScheduleNotFound``, ``RecordChanged``, ``Conflict`` if there are too many.
        """
        planned = _planned(next_time, due)
        self._store(schedule.name, before, self._sealed(schedule), schedule.serial, *planned, _followed(schedule))

    def remove(self, name: str, serial: str) -> None:
        """Remove a schedule and its results. Raises ``ScheduleNotFound``, ``RecordChanged``."""
        self._store(name, serial, "", "", "", "", "")

    def take(self, holder: str, lease_seconds: float, most: int) -> Taken | None:
        """The schedules that are due, at most ``most``, for the one process that fires them; None for the others."""
        answer = self._scripts.call("take_schedules", self._now(), holder, int(lease_seconds * 1000), most)
        if not answer:
            return None
        now, first, due, ahead, endings = answer
        return Taken(
            int(now),
            int(float(first)) if first else None,
            tuple(map(str, due)),
            tuple(map(str, ahead)),
            endings == "1",
            bool(endings),
        )

    def give_up(self, holder: str) -> None:
        """Let another process fire schedules."""
        self._scripts.call("take_schedules", self._now(), holder, 0, 0)

    def endings(self, most: int) -> Endings | None:
        """The endings of jobs that schedules follow, from ``most`` events; None if no schedule follows jobs."""
        answer = self._scripts.call("read_endings", self._now(), most)
        if not answer:
            return None
        before, after, is_cut, *endings = answer
        followed = (Ending(str(event), str(job), str(status), tuple(names)) for event, job, status, *names in endings)
        return Endings(str(before), str(after), is_cut == "1", tuple(followed))

    def pass_endings(self, before: str, after: str) -> bool:
        """Move the cursor of the schedules that follow jobs; False if another process did."""
        return bool(self._scripts.call("settle_endings", before, after))

    def followers(self, group: str, most: int) -> tuple[str, ...]:
        """Names of the schedules that follow the jobs of a list, at most ``most``."""
        key = self._keys.kind("followers") + group
        return tuple(map(str, self._scripts.command("ZRANGE", key, 0, most - 1)))

    def shelve(self, name: str) -> None:
        """Fire an altered schedule no more; it stays listed under its name until it is deleted."""
        for kind in ("schedules_due", "schedules_planned"):
            self._scripts.command("ZREM", self._keys.kind(kind), name)
        key = self._keys.kind("schedule") + name
        if self._scripts.command("TYPE", key) == "hash":
            self._scripts.command("HDEL", key, "next", "due")  # the doctor would list it again by its time

    def settle(self, steps: Iterable[Step]) -> list[bool]:
        """Move schedules on, in one round trip; for each whether that was done, or another process had done it."""
        answers = self._scripts.call_many("settle_schedule", [self._arguments(step) for step in steps])
        return [answer[0] == "done" for answer in answers]

    def _arguments(self, step: Step) -> tuple[Argument, ...]:
        result = step.result
        result_fields: tuple[Argument, ...] = ("", "", "", "", "")
        if result is not None:
            result_fields = (str(result.outcome), result.begin, result.end, result.count, one_line(result.reason))
        return (
            self._now(),
            step.schedule.name,
            step.schedule.serial,
            "" if step.progress.next is None else step.progress.next,
            *_planned(step.next, step.due),
            "" if step.waits is None else step.waits,
            "" if step.seen is None else step.seen,
            *result_fields,
        )

    def _sealed(self, schedule: Schedule) -> str:
        return self._records.close(schedule.name, json.dumps(schedule.document()))

    def _view(self, name: str, sealed: str, *rest: Any) -> ScheduleView | RecordAltered:
        next_time, due, job_id, status, waits, seen, *lines = rest
        try:
            schedule = Schedule.of(json.loads(self._records.open(name, sealed)))
        except RecordAltered as error:
            return error
        progress = Progress(
            whole_number(next_time), whole_number(due), job_id, status, whole_number(waits), whole_number(seen) or 0
        )
        results = (_result(line) for line in lines)
        return ScheduleView(schedule, progress, tuple(result for result in results if result is not None))

    def _unknown(self, name: str) -> ScheduleNotFound:
        return ScheduleNotFound(f"No schedule has the name {name[:80]!r}; `jobqueue schedule list` shows all.")

    def _taken(self, name: str) -> ScheduleExists:
        return ScheduleExists(f"The schedule {name!r} exists; choose another name, or replace it (PUT, --replace).")


def fire_argument(schedule: Schedule, outcome: Outcome, time: int, next_time: int | None, due: int | None) -> str:
    """The time that a job is made for, as ``lua/include/fire.lua`` reads it."""
    planned = "|".join(map(str, _planned(next_time, due)))
    return f"{outcome}|{schedule.name}|{schedule.serial}|{time}|{planned}"


def _followed(schedule: Schedule) -> str:
    """The list of the jobs that a schedule follows; empty for none."""
    return "" if schedule.after is None else schedule.after.group


def _planned(next_time: int | None, due: int | None) -> tuple[Argument, Argument]:
    return ("", "") if next_time is None or due is None else (next_time, due)


def _result(line: str) -> Result | None:
    try:
        begin, end, at, outcome, count, job_id, reason = str(line).split("|", 6)
        times = (decoding.integer(begin), decoding.integer(end), decoding.integer(at))
        return Result(*times, Outcome(outcome), decoding.integer(count), job_id, reason)
    except decoding.FAULTS:  # not written by the ledger
        return None
