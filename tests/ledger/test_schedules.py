"""Schedules fire: each time makes exactly one job, whatever dies, stalls or jumps; and why a time made none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobqueue.errors import (
    Conflict,
    InvalidInput,
    PermissionDenied,
    RecordAltered,
    RecordChanged,
    ScheduleExists,
    ScheduleNotFound,
)
from jobqueue.ledger.script_connection import ScriptConnection
from jobqueue.model.agent import Registration
from jobqueue.model.alert import RECORDS_ALTERED, SCHEDULES_STOPPED
from jobqueue.model.audit import AuditEntry
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import (
    Blackout,
    Outcome,
    Overlap,
    Owner,
    Pause,
    Result,
    Schedule,
    ScheduleView,
    Timing,
)
from jobqueue.model.stored_limits import KEPT_RESULTS
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_micros
from jobqueue.operations.registry import Registry
from jobqueue.schedules import times as schedule_times
from jobqueue.services import Services
from jobqueue.services.backfill import MOST_TIMES, SLICE
from jobqueue.services.due_schedule import DueSchedule
from jobqueue.services.firing import Firing, job_id_of
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.scheduler import Scheduler
from jobqueue.settings import Settings
from tests.ledger.clock import SECOND
from tests.ledger.world import World, settings

MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
ADMIN = Principal("admin", frozenset({"*"}), ("admin",), "token")
JOB = {"operation": "node.hostname.get", "target": "web1"}
AUDIT_ENTRY = AuditEntry("admin", "token", "", "POST", "/schedule/s/trigger", 201, "done", "")


def submission_of(content: Mapping[str, Any], principal: Principal) -> Submission:
    if "broken" in content:
        raise InvalidInput.of("operation", "broken")
    return Submission(**content, principal=principal)


class Clockwork:
    """The services over a world's ledger, and a scheduler that stands for an API process."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world, self.ledger, self.clock = world, world.ledger, world.clock
        registry = Registry.load(())
        self.services = Services.over(
            world.ledger, Settings(state_dir=directory, redis_url=settings().redis_url), registry
        )
        self.schedules = self.services.schedules
        world.ledger.agents.register(Registration("web1", "boot", {}, {}, registry.types(), "1", 2))
        self.scheduler = self.process()

    def process(self) -> Scheduler:
        services = self.services
        owners = OwnerReader(self.ledger.credentials)
        submitter, engine = services.scheduled_submitter, services.workflow_engine
        return Scheduler(self.ledger, submitter, submitter.cancel, owners, self.make, engine)

    def make(self, content: Mapping[str, Any], principal: Principal) -> Submission:
        return submission_of(content, principal)

    def create(self, name: str = "s", principal: Principal = ADMIN, **fields: Any) -> ScheduleView:
        fields = {"content": JOB, "timing": Timing(every=HOUR, anchor=self.clock.now)} | fields
        schedule = Schedule(name, "", "", owner=Owner("", "", ""), **fields)
        return self.schedules.create(schedule, self.make(schedule.content, principal))

    def turns(self) -> None:
        """What one process does until nothing is due."""
        for _ in range(1000):
            if self.scheduler.turn() > 0.01:
                return
        raise AssertionError("schedules are due without an end")

    def go(self, micros: int) -> None:
        """Time passes, and the process fires what is due, each second in which something is."""
        end = self.clock.now + micros
        while True:
            self.turns()
            taken = self.ledger.schedules.take(self.scheduler._me, 5, 1)
            if taken is None or taken.first is None or taken.first > end:
                break
            self.clock.now = max(taken.first, self.clock.now)
        self.clock.now = end
        self.turns()

    def hours(self, number: int) -> None:
        """Hours pass, and the process looks once in each: while times wait for a job, something is due every second."""
        for _ in range(number):
            self.clock.advance(3600)
            self.turns()

    def results(self, name: str = "s") -> list[Result]:
        return list(self.schedules.get(name).results)

    def outcomes(self, name: str = "s") -> list[tuple[str, int]]:
        return [(str(result.outcome), result.count) for result in self.results(name)]

    def end_job(self, name: str = "s") -> None:
        self.world.run(self.schedules.get(name).progress.job_id, "web1")

    def jobs(self) -> int:
        keys = self.ledger.keys
        return sum(1 for _ in self.world.client.scan_iter(f"{keys.kind('doc')}*"))


@pytest.fixture
def clockwork(world: World, tmp_path: Path) -> Clockwork:
    return Clockwork(world, tmp_path)


@pytest.fixture
def forget_lease(clockwork: Clockwork) -> Callable[[], None]:
    """The lease of a process that died expires."""
    return lambda: clockwork.world.client.delete(clockwork.ledger.keys.kind("scheduler")) and None


def test_a_schedule_fires_at_its_times_for_its_owner(clockwork: Clockwork) -> None:
    created = clockwork.create(description="what for", overlap=Overlap.ALLOW)
    begin = created.schedule.timing.anchor
    assert begin == clockwork.clock.now
    clockwork.go(2 * HOUR + MINUTE)
    assert [(result.begin - begin, str(result.outcome)) for result in clockwork.results()] == [
        (0, "fired"),
        (HOUR, "fired"),
        (2 * HOUR, "fired"),
    ]
    job = clockwork.services.jobs.get(clockwork.results()[1].job_id)
    assert (job.submitted_by, job.tags, job.target) == ("admin", {"schedule": "s"}, "web1")
    entries = clockwork.services.audit_trail.newest(10)
    assert [entry.content.details["job"] for entry in entries] == [result.job_id for result in clockwork.results()][
        ::-1
    ]
    assert {entry.content.path for entry in entries} == {"/schedule/s"}


class Killed(BaseException):
    """The process ends here."""


class Saboteur:
    """Before or after calls of the ledger, kills the process, or lets another one work while this one stalls."""

    def __init__(self, clockwork: Clockwork, seed: int) -> None:
        self._random = random.Random(seed)
        self._clockwork = clockwork
        self._original = clockwork.ledger.scripts.call, clockwork.ledger.scripts.call_many
        self.kills = self.stalls = 0
        self._is_nested = False
        clockwork.ledger.scripts.call = self._around(self._original[0])  # type: ignore[method-assign]
        clockwork.ledger.scripts.call_many = self._around(self._original[1])  # type: ignore[method-assign]

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def sabotaged(verb: str, *args: Any, **options: Any) -> Any:
            fate = (
                "" if self._is_nested or verb == "take_schedules" else self._random.choice(["", "", "", "a", "b", "c"])
            )
            if fate == "a":
                self.kills += 1
                raise Killed
            if fate == "c":
                self._stall()
            answer = call(verb, *args, **options)
            if fate == "b":
                self.kills += 1
                raise Killed
            return answer

        return sabotaged

    def _stall(self) -> None:
        self.stalls += 1
        self._is_nested = True
        client, lease = self._clockwork.world.client, self._clockwork.ledger.keys.kind("scheduler")
        client.delete(lease)
        other = self._clockwork.process()
        other.turn()
        client.delete(lease)
        self._is_nested = False

    def stop(self) -> None:
        scripts = self._clockwork.ledger.scripts
        scripts.call, scripts.call_many = self._original  # type: ignore[method-assign]


def days(begin: datetime, number: int) -> Iterator[date]:
    return (begin.date() + timedelta(days=day) for day in range(-1, number + 2))


def year_of_schedules(begin: datetime, number_of_schedules: int) -> list[tuple[Timing, list[int]]]:
    """Schedules, and their times within a year, computed day by day without the code under test."""
    zones = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
    first, last = to_micros(begin), to_micros(begin + timedelta(days=365))
    found: list[tuple[Timing, list[int]]] = []
    for number in range(number_of_schedules):
        zone, hour, minute = zones[number % 5], (2, 3, 12, 23)[number % 4], (0, 15, 30)[number % 3]
        kind = number % 5 if number % 10 < 9 else 5
        if kind == 0:
            length = (10 + number) * DAY + number * MINUTE
            timing = Timing(every=length, anchor=first + number * HOUR)
            times = list(range(first + number * HOUR, last, length))
        elif kind == 5:
            timing = Timing(at=first + number * DAY + 1)
            times = [first + number * DAY + 1]
        else:
            weekday, day_of_month = number % 7, number % 28 + 1
            by_week = kind == 1
            cron = f"{minute} {hour} * * {(weekday + 1) % 7}" if by_week else f"{minute} {hour} {day_of_month} * *"
            timing, times = Timing(cron=cron, time_zone=zone), []
            for day in days(begin, 365):
                if (day.weekday() == weekday) if by_week else (day.day == day_of_month):
                    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
                    moment = wall.astimezone(timezone.utc)
                    while moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < wall.replace(tzinfo=None):
                        moment += timedelta(minutes=1)
                    times.append(to_micros(moment))
            times = [time for time in times if first <= time < last]
        found.append((timing, times))
    return found


@pytest.mark.parametrize("seed", [1])
def test_a_year_of_schedules_through_kills_stalls_and_clocks_that_jump(clockwork: Clockwork, seed: int) -> None:
    begin = datetime(2027, 1, 10, 0, 30, tzinfo=timezone.utc)
    clock, client = clockwork.clock, clockwork.world.client
    clock.now = to_micros(begin)
    # the simulated server is an order of magnitude slower
    number_of_schedules = 10 if isinstance(client, fakeredis.FakeRedis) else 50
    expected: set[str] = set()
    for number, (timing, times) in enumerate(year_of_schedules(begin, number_of_schedules)):
        view = clockwork.create(f"s{number}", timing=timing, overlap=Overlap.ALLOW, catch_up=31 * DAY)
        expected |= {job_id_of(view.schedule, time) for time in times}
    end = to_micros(begin + timedelta(days=365))
    chance, saboteur = random.Random(seed), Saboteur(clockwork, seed)
    lease = clockwork.ledger.keys.kind("scheduler")
    dead = False
    while True:
        if dead:
            client.delete(lease)
            clockwork.scheduler = clockwork.process()
        try:
            clockwork.turns()
            dead = False
        except Killed:
            dead = True
            continue
        taken = clockwork.ledger.schedules.take(clockwork.scheduler._me, 5, 1)
        assert taken is not None
        if taken.first is None or taken.first >= end:
            break
        clock.now = max(clock.now, taken.first)
        if chance.random() < 0.05:
            clock.now += chance.randrange(2 * DAY)
            clock.now = min(clock.now, end - 1)
        elif chance.random() < 0.05:
            clock.now -= chance.randrange(DAY)
    saboteur.stop()
    assert saboteur.kills > number_of_schedules
    assert saboteur.stalls > number_of_schedules
    made = {str(key).rpartition(":")[2] for key in client.scan_iter(f"{clockwork.ledger.keys.kind('doc')}*")}
    assert made - expected == set()
    assert expected - made == set()
    assert len(expected) > 10 * number_of_schedules


def test_of_two_processes_one_fires_and_the_other_takes_over(
    clockwork: Clockwork, forget_lease: Callable[[], None]
) -> None:
    clockwork.create(overlap=Overlap.ALLOW)
    other = clockwork.process()
    clockwork.turns()
    assert other.turn() == 1.0
    clockwork.clock.advance(3600)
    assert other.turn() == 1.0
    assert clockwork.jobs() == 1
    forget_lease()
    other.turn()
    assert clockwork.jobs() == 2


def test_times_that_passed_while_no_process_ran_are_missed_but_for_the_newest(clockwork: Clockwork) -> None:
    clockwork.create()
    clockwork.clock.advance(10.5 * 3600)
    clockwork.turns()
    assert clockwork.outcomes() == [("missed", 10), ("fired", 1)]
    missed, fired = clockwork.results()
    assert (missed.end - missed.begin, fired.begin - missed.begin) == (9 * HOUR, 10 * HOUR)


def test_missed_times_are_made_up_for_as_far_back_as_the_schedule_says(clockwork: Clockwork) -> None:
    clockwork.create(catch_up=3 * HOUR, overlap=Overlap.ALLOW)
    clockwork.clock.advance(10.5 * 3600)
    clockwork.turns()
    assert clockwork.outcomes() == [("missed", 8), ("fired", 1), ("fired", 1), ("fired", 1)]


def test_a_schedule_that_never_catches_up_waits_for_its_next_time(clockwork: Clockwork) -> None:
    clockwork.create(catch_up=None)
    clockwork.clock.advance(30)
    clockwork.turns()
    assert clockwork.outcomes() == [("fired", 1)]
    clockwork.end_job()
    clockwork.clock.advance(10.5 * 3600)
    clockwork.turns()
    assert clockwork.outcomes() == [("fired", 1), ("missed", 10)]
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("fired", 1), ("missed", 10), ("fired", 1)]


def test_a_single_time_that_was_missed_is_made_up_for(clockwork: Clockwork) -> None:
    clockwork.create(timing=Timing(at=clockwork.clock.now + HOUR))
    clockwork.clock.advance(40 * 86_400)
    clockwork.turns()
    assert clockwork.outcomes() == [("fired", 1)]
    assert clockwork.schedules.get("s").progress.next is None


def test_overlap_skip(clockwork: Clockwork) -> None:
    clockwork.create()
    clockwork.go(2 * HOUR + MINUTE)
    first = clockwork.results()[0].job_id
    assert clockwork.outcomes() == [("fired", 1), ("skipped", 2)]
    assert first in clockwork.results()[1].reason
    clockwork.end_job()
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("fired", 1), ("skipped", 2), ("fired", 1)]


def test_overlap_buffer_one(clockwork: Clockwork) -> None:
    clockwork.create(overlap=Overlap.BUFFER_ONE)
    clockwork.turns()
    clockwork.hours(3)
    assert clockwork.outcomes() == [("fired", 1)]
    clockwork.end_job()
    clockwork.go(2 * SECOND)
    begin = clockwork.results()[0].begin
    assert [(str(one.outcome), one.begin - begin, one.count) for one in clockwork.results()] == [
        ("fired", 0, 1),
        ("fired", HOUR, 1),
        ("skipped", 2 * HOUR, 2),
    ]
    clockwork.end_job()
    clockwork.go(HOUR)
    assert clockwork.outcomes()[-1] == ("fired", 1)


def test_overlap_buffer_all(clockwork: Clockwork) -> None:
    clockwork.create(overlap=Overlap.BUFFER_ALL)
    clockwork.turns()
    clockwork.hours(3)
    for number in range(1, 4):
        assert clockwork.outcomes() == [("fired", 1)] * number
        clockwork.end_job()
        clockwork.go(2 * SECOND)
    begin = clockwork.results()[0].begin
    assert [result.begin - begin for result in clockwork.results()] == [0, HOUR, 2 * HOUR, 3 * HOUR]


def test_buffered_times_are_bounded(clockwork: Clockwork) -> None:
    clockwork.create(timing=Timing(every=MINUTE, anchor=clockwork.clock.now), overlap=Overlap.BUFFER_ALL)
    clockwork.turns()
    for _ in range(120):
        clockwork.clock.advance(60)
        clockwork.turns()
    assert [str(result.outcome) for result in clockwork.results()] == ["fired", "skipped"]
    assert clockwork.results()[1].count == 20


def test_overlap_cancel_other(clockwork: Clockwork) -> None:
    clockwork.create(overlap=Overlap.CANCEL_OTHER)
    clockwork.go(HOUR)
    first, second = (clockwork.services.jobs.get(result.job_id) for result in clockwork.results())
    assert (str(first.status), str(second.status)) == ("cancelled", "submitted")


def test_overlap_allow(clockwork: Clockwork) -> None:
    clockwork.create(overlap=Overlap.ALLOW)
    clockwork.go(2 * HOUR)
    assert clockwork.jobs() == 3


def test_a_paused_schedule_lets_its_times_pass(clockwork: Clockwork) -> None:
    clockwork.create(pause=Pause("moving the rack", "", 0), overlap=Overlap.ALLOW)
    clockwork.go(2 * HOUR)
    assert clockwork.outcomes() == [("paused", 3)]
    assert clockwork.results()[0].reason == "moving the rack"
    pause = clockwork.schedules.get("s").schedule.pause
    assert pause is not None
    assert pause.by == "admin"
    clockwork.schedules.resume("s", ADMIN)
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("paused", 3), ("fired", 1)]
    clockwork.schedules.pause("s", "again", ADMIN)
    clockwork.go(HOUR)
    assert clockwork.outcomes()[-1] == ("paused", 1)


def test_blackouts(clockwork: Clockwork) -> None:
    clockwork.clock.now = to_micros(datetime(2027, 1, 1, 0, 30, tzinfo=timezone.utc))
    blackout = Blackout("0 1 * * *", 2 * HOUR)
    clockwork.create(timing=Timing(cron="@hourly"), blackouts=(blackout,), overlap=Overlap.ALLOW)
    clockwork.go(3 * HOUR)
    assert clockwork.outcomes() == [("blackout", 2), ("fired", 1)]


def test_a_late_time_does_not_fire_into_a_blackout(clockwork: Clockwork) -> None:
    clockwork.clock.now = to_micros(datetime(2027, 1, 1, 0, 30, tzinfo=timezone.utc))
    clockwork.create(timing=Timing(cron="0 1 * * *"), blackouts=(Blackout("0 2 * * *", HOUR),))
    clockwork.clock.advance(2 * 3600)
    clockwork.turns()
    assert clockwork.outcomes() == [("blackout", 1)]


def test_a_refused_job_is_recorded_and_the_schedule_goes_on(clockwork: Clockwork) -> None:
    clockwork.create(content={"operation": "node.hostname.get", "target": "elsewhere"})
    clockwork.create("labelled", content={"operation": "node.hostname.get", "target": "group:nobody"})
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("refused", 2)]
    assert "elsewhere" in clockwork.results()[0].reason
    assert clockwork.outcomes("labelled") == [("refused", 2)]
    assert clockwork.schedules.get("s").progress.next == clockwork.clock.now + HOUR


def user(clockwork: Clockwork, *permissions: str, **fields: Any) -> Principal:
    """A user with these permissions, stored as such."""
    credentials = clockwork.ledger.credentials
    if credentials.look_up(Kind.USER, "alice")[0] is None:
        credentials.add(Credential(Kind.USER, "alice", "digest", permissions=permissions, **fields))
    else:
        credentials.change(Kind.USER, "alice", permissions=list(permissions), **fields)
    return Principal("alice", frozenset(permissions), (), "user", "alice")


def test_permissions_are_those_that_the_owner_has_at_the_time(clockwork: Clockwork) -> None:
    alice = user(clockwork, "job:write", "agent:read")
    clockwork.create(principal=alice, overlap=Overlap.ALLOW)
    clockwork.go(0)
    user(clockwork, "agent:read")
    clockwork.go(HOUR)
    user(clockwork, "job:write", "agent:read")
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("fired", 1), ("refused", 1), ("fired", 1)]
    assert "job:write" in clockwork.results()[1].reason


def test_a_schedule_whose_owner_is_gone_stops_with_an_alert(clockwork: Clockwork) -> None:
    alice = user(clockwork, "job:write", "agent:read")
    clockwork.create(principal=alice)
    user(clockwork, "job:write", "agent:read", disabled=True)
    clockwork.go(2 * HOUR)
    assert clockwork.outcomes() == [("refused", 1), ("paused", 2)]
    assert "alice" in clockwork.results()[0].reason
    alerts = [alert for alert in clockwork.ledger.executions.alerts() if alert.kind == SCHEDULES_STOPPED]
    assert len(alerts) == 1
    assert "The schedule s is paused: its owner alice" in alerts[0].message


def test_who_may_not_submit_a_job_cannot_schedule_it(clockwork: Clockwork) -> None:
    with pytest.raises(PermissionDenied):
        clockwork.create(principal=user(clockwork, "agent:read"))
    with pytest.raises(InvalidInput, match="API key or a user"):
        clockwork.create(principal=Principal("idp", frozenset({"*"}), (), "jwt"))


def test_content_that_became_invalid_is_refused_at_each_time(clockwork: Clockwork) -> None:
    view = clockwork.create()
    broken = replace(view.schedule, content={"broken": True}, serial="2")
    clockwork.ledger.schedules.change(broken, view.schedule.serial)
    clockwork.go(HOUR)
    assert clockwork.outcomes() == [("refused", 2)]


def test_trigger_submits_a_job_beside_the_times(clockwork: Clockwork) -> None:
    view = clockwork.create(timing=Timing(every=HOUR, anchor=clockwork.clock.now + HOUR))
    accepted = clockwork.schedules.trigger(view, submission_of(JOB, ADMIN), AUDIT_ENTRY)
    assert clockwork.outcomes() == [("triggered", 1)]
    assert clockwork.results()[0].job_id == accepted.job_id
    with pytest.raises(Conflict, match=accepted.job_id):
        clockwork.schedules.trigger(clockwork.schedules.get("s"), submission_of(JOB, ADMIN), AUDIT_ENTRY)
    assert clockwork.schedules.get("s").progress.next == view.progress.next


def test_a_trigger_whose_answer_is_lost_is_one_result(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    view = clockwork.create(timing=Timing(every=HOUR, anchor=clockwork.clock.now + HOUR))
    once = ScriptConnection._once
    lost: set[tuple[Any, ...]] = set()

    def lose_the_first(self: ScriptConnection, commands: Sequence[tuple[Any, ...]], *rest: Any) -> list[Any]:
        answers = once(self, commands, *rest)
        if not lost.issuperset(commands):
            lost.update(commands)
            raise RedisConnectionError("The answer was lost.")
        return answers

    with monkeypatch.context() as broken:
        broken.setattr(ScriptConnection, "_once", lose_the_first)
        accepted = clockwork.schedules.trigger(view, submission_of(JOB, ADMIN), AUDIT_ENTRY)
    assert lost
    assert [(result.outcome, result.job_id) for result in clockwork.results()] == [(Outcome.TRIGGERED, accepted.job_id)]


def backfill(clockwork: Clockwork, begin: int, end: int) -> list[tuple[str, str]]:
    """Times and outcomes of a whole range, slice by slice."""
    done: list[tuple[str, str]] = []
    following: int | None = begin
    while following is not None:
        view = clockwork.schedules.get("s")
        content = clockwork.make(view.schedule.content, ADMIN)
        part = clockwork.services.backfiller.run(view, content, following, end, lambda _: AUDIT_ENTRY)
        assert len(part.times) <= SLICE
        done += [(one.time, one.outcome) for one in part.times]
        following = part.next
    return done


def test_a_backfill_makes_exactly_the_jobs_that_past_times_do_not_have(clockwork: Clockwork) -> None:
    begin = clockwork.clock.now
    clockwork.create(timing=Timing(every=HOUR, anchor=begin), overlap=Overlap.ALLOW)
    clockwork.go(MINUTE)  # the first time fires
    clockwork.schedules.pause("s", "", ADMIN)
    clockwork.hours(60)
    before = clockwork.schedules.get("s").progress
    done = backfill(clockwork, begin, clockwork.clock.now)
    assert done == [(begin, "exists"), *((begin + number * HOUR, "backfilled") for number in range(1, 61))]
    jobs = [job_id_of(clockwork.schedules.get("s").schedule, time) for time, _ in done]
    assert all(clockwork.ledger.jobs.get(job) for job in jobs)
    results = clockwork.results()
    assert len(results) == KEPT_RESULTS
    assert {(result.outcome, result.job_id) for result in results} == {
        (Outcome.BACKFILLED, job) for job in jobs[-KEPT_RESULTS:]
    }
    again = backfill(clockwork, begin, clockwork.clock.now)
    assert [outcome for _, outcome in again] == ["exists"] * 61
    assert clockwork.results() == results
    # its next time and its last job remain
    after = clockwork.schedules.get("s").progress
    assert (after.next, after.due, after.job_id) == (before.next, before.due, before.job_id)


def test_a_time_that_was_backfilled_before_it_fired_has_one_job(clockwork: Clockwork) -> None:
    clockwork.create(timing=Timing(every=HOUR, anchor=clockwork.clock.now))
    due = clockwork.clock.now
    assert backfill(clockwork, due, due) == [(due, "backfilled")]
    clockwork.turns()
    assert clockwork.outcomes() == [("backfilled", 1), ("fired", 1)]
    assert len({result.job_id for result in clockwork.results()}) == 1
    assert clockwork.schedules.get("s").progress.next == due + HOUR


def test_backfilled_jobs_that_may_not_overlap_run_one_after_the_other(clockwork: Clockwork) -> None:
    for name, overlap, key in (("a", Overlap.SKIP, "backfill:a"), ("b", Overlap.ALLOW, None)):
        begin = clockwork.clock.now
        view = clockwork.create(name, timing=Timing(every=HOUR, anchor=begin), overlap=overlap)
        clockwork.clock.advance(3600)
        content = clockwork.make(JOB, ADMIN)
        done = clockwork.services.backfiller.run(view, content, begin, clockwork.clock.now, lambda _: AUDIT_ENTRY)
        assert [one.outcome for one in done.times] == ["backfilled"] * 2
        terms = [clockwork.ledger.jobs.get(one.job_id).concurrency for one in done.times]
        assert [each and each.key for each in terms] == [key] * 2


def test_times_in_blackouts_and_beyond_the_bounds_are_not_backfilled(clockwork: Clockwork) -> None:
    midnight = clockwork.clock.now // DAY * DAY
    clockwork.clock.now = midnight + 3 * DAY
    timing = Timing(cron="0 * * * *", starts=midnight + 22 * HOUR)
    clockwork.create(timing=timing, blackouts=(Blackout("0 0 * * *", 47 * HOUR),), overlap=Overlap.ALLOW)
    view = clockwork.schedules.get("s")
    plan = clockwork.services.backfiller.plan(view, clockwork.make(JOB, ADMIN), midnight, midnight + 2 * DAY)
    assert [one.time - midnight for one in plan.times] == []
    free = replace(view, schedule=replace(view.schedule, blackouts=()))
    plan = clockwork.services.backfiller.plan(free, clockwork.make(JOB, ADMIN), midnight, midnight + DAY)
    assert [one.time - midnight for one in plan.times] == [22 * HOUR, 23 * HOUR, DAY]
    assert clockwork.outcomes() == []


def test_ranges_of_a_backfill_are_bounded(clockwork: Clockwork) -> None:
    now = clockwork.clock.now
    view = clockwork.create(timing=Timing(every=SECOND, anchor=now - DAY))
    content = clockwork.make(JOB, ADMIN)
    run = clockwork.services.backfiller.plan
    assert run(view, content, now - 999 * SECOND, now).total == MOST_TIMES
    for begin, end, sentence in (
        (now - 1000 * SECOND, now, "to: The range has more than 1000 times"),
        (now, now + 1, "to: Must not be later than now"),
        (now, now - 1, "from: Must not be later than to."),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            run(view, content, begin, end)


def test_a_backfill_needs_the_permissions_of_the_jobs_and_the_current_schedule(clockwork: Clockwork) -> None:
    begin = clockwork.clock.now
    view = clockwork.create(timing=Timing(every=HOUR, anchor=begin))
    run = clockwork.services.backfiller.run
    guest = Principal("guest", frozenset({"schedule:*"}), ("guest",), "token")
    with pytest.raises(PermissionDenied):
        run(view, clockwork.make(JOB, guest), begin, begin, lambda _: AUDIT_ENTRY)
    clockwork.schedules.pause("s", "", ADMIN)
    with pytest.raises(RecordChanged):
        run(view, clockwork.make(JOB, ADMIN), begin, begin, lambda _: AUDIT_ENTRY)
    assert clockwork.outcomes() == []


def test_replacing_keeps_the_next_time_the_results_and_a_pause(clockwork: Clockwork) -> None:
    clockwork.create()
    clockwork.go(MINUTE)
    clockwork.schedules.pause("s", "for now", ADMIN)
    before = clockwork.schedules.get("s")
    again = Schedule("s", "", "", before.schedule.timing, JOB, Owner("", "", ""), "changed")
    after, is_new = clockwork.schedules.replace(again, submission_of(JOB, ADMIN))
    assert not is_new
    assert (after.progress, after.results) == (before.progress, before.results)
    assert after.schedule.description == "changed"
    assert after.schedule.pause == before.schedule.pause
    other = replace(again, timing=Timing(every=DAY, anchor=clockwork.clock.now + 5 * DAY))
    changed, _ = clockwork.schedules.replace(other, submission_of(JOB, ADMIN))
    assert changed.progress.next == clockwork.clock.now + 5 * DAY


def test_a_schedule_is_replaced_only_as_the_caller_has_seen_it(clockwork: Clockwork) -> None:
    seen = clockwork.create().schedule
    clockwork.schedules.pause("s", "for now", ADMIN)
    changed = replace(seen, description="mine")
    with pytest.raises(RecordChanged, match="admin has changed the schedule meanwhile"):
        clockwork.schedules.replace(changed, submission_of(JOB, ADMIN), seen.serial)
    assert clockwork.schedules.get("s").schedule.description == ""
    serial = clockwork.schedules.get("s").schedule.serial
    assert clockwork.schedules.replace(changed, submission_of(JOB, ADMIN), serial)[0].schedule.description == "mine"
    clockwork.schedules.remove("s")
    with pytest.raises(ScheduleNotFound):
        clockwork.schedules.replace(changed, submission_of(JOB, ADMIN), serial)


def test_a_process_with_an_old_schedule_makes_no_job(clockwork: Clockwork, forget_lease: Callable[[], None]) -> None:
    clockwork.create()
    (view,) = clockwork.ledger.schedules.some(["s"], 0)
    assert isinstance(view, ScheduleView)
    decision = DueSchedule(view, clockwork.clock.now).decide(clockwork.scheduler._firer.cancel_last)
    assert isinstance(decision, Firing)
    clockwork.schedules.pause("s", "now", ADMIN)
    assert clockwork.scheduler._firer.fire([decision], clockwork.clock.now) == ([], [], False)
    assert clockwork.jobs() == 0
    clockwork.schedules.remove("s")
    assert clockwork.scheduler._firer.fire([decision], clockwork.clock.now) == ([], [], False)
    assert clockwork.jobs() == 0


def test_names_are_unique_and_deleted_ones_are_gone(clockwork: Clockwork) -> None:
    clockwork.create()
    with pytest.raises(ScheduleExists):
        clockwork.create()
    clockwork.create("t")
    assert [view.schedule.name for view in clockwork.schedules.page("", 10, 0)[0]] == ["s", "t"]
    first, total, behind = clockwork.schedules.page("", 1, 0)
    assert ([view.schedule.name for view in first], total, behind) == (["s"], 2, "s")
    clockwork.schedules.remove("s")
    with pytest.raises(ScheduleNotFound):
        clockwork.schedules.get("s")
    with pytest.raises(ScheduleNotFound):
        clockwork.schedules.remove("s")
    clockwork.go(HOUR)
    assert clockwork.outcomes("t") == [("fired", 1), ("skipped", 1)]


def test_concurrent_changes_are_refused(clockwork: Clockwork) -> None:
    view = clockwork.create()
    clockwork.schedules.pause("s", "", ADMIN)
    with pytest.raises(RecordChanged):
        clockwork.ledger.schedules.change(replace(view.schedule, serial="mine"), view.schedule.serial)


def test_a_schedule_that_was_altered_in_redis_does_not_fire(clockwork: Clockwork) -> None:
    clockwork.create()
    clockwork.create("t")
    key = clockwork.ledger.keys.kind("schedule") + "s"
    sealed = clockwork.world.client.hget(key, "record")
    clockwork.world.client.hset(key, "record", str(sealed).replace("web1", "web2"))
    clockwork.go(HOUR)
    assert clockwork.jobs() == 1
    with pytest.raises(RecordAltered):
        clockwork.schedules.get("s")
    assert RECORDS_ALTERED in [alert.kind for alert in clockwork.ledger.executions.alerts()]
    assert [view.schedule.name for view in clockwork.schedules.page("", 10, 0)[0]] == ["t"]
    clockwork.schedules.remove("s")


def test_a_next_time_that_was_altered_in_redis_is_computed_again(clockwork: Clockwork) -> None:
    view = clockwork.create()
    clockwork.turns()
    assert view.progress.next is not None
    clockwork.world.client.hset(clockwork.ledger.keys.kind("schedule") + "s", "next", view.progress.next - 5)
    clockwork.world.client.zadd(clockwork.ledger.keys.kind("schedules_due"), {"s": view.progress.next - 5})
    clockwork.turns()
    assert clockwork.jobs() == 1
    assert clockwork.schedules.get("s").progress.next == view.progress.next + HOUR


def test_a_next_time_that_was_deleted_in_redis_is_computed_again(clockwork: Clockwork) -> None:
    view = clockwork.create(overlap=Overlap.ALLOW)
    clockwork.turns()
    assert view.progress.next is not None
    clockwork.world.client.hdel(clockwork.ledger.keys.kind("schedule") + "s", "next")
    clockwork.world.client.zadd(clockwork.ledger.keys.kind("schedules_due"), {"s": view.progress.next})
    clockwork.turns()
    assert clockwork.schedules.get("s").progress.next == view.progress.next + HOUR
    clockwork.go(HOUR)
    assert clockwork.jobs() == 2


def without_zones(name: str) -> tzinfo:
    """The host's database of time zones is another one than when a schedule was stored."""
    if name != "UTC":
        raise InvalidInput.of("time_zone", f"Unknown time zone {name!r}.")
    return timezone.utc


def test_a_schedule_that_cannot_be_processed_keeps_no_other_from_firing(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = clockwork.clock.now
    timing = Timing(every=HOUR, anchor=begin, time_zone="Europe/Berlin")
    clockwork.create(timing=timing, overlap=Overlap.ALLOW, catch_up=None)
    clockwork.create("t", overlap=Overlap.ALLOW)

    with monkeypatch.context() as patched:
        patched.setattr(schedule_times, "zone_of", without_zones)
        schedule_times.times_of.cache_clear()
        clockwork.go(2 * HOUR + MINUTE)
        assert clockwork.outcomes("t") == [("fired", 1)] * 3
        assert clockwork.outcomes("s") == []
        (alert,) = [alert for alert in clockwork.ledger.executions.alerts() if alert.kind == SCHEDULES_STOPPED]
        assert "The schedule s cannot fire: time_zone: Unknown time zone 'Europe/Berlin'." in alert.message
    # and with the time zone back, it goes on where it stopped
    clockwork.go(HOUR)
    assert clockwork.outcomes("s") == [("missed", 3), ("fired", 1)]
    assert clockwork.results("s")[0].begin == begin


def test_the_clock_goes_back_while_a_schedule_cannot_be_processed(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    clockwork.create(timing=Timing(every=HOUR, anchor=clockwork.clock.now, time_zone="Europe/Berlin"))
    clockwork.create("t", overlap=Overlap.ALLOW)
    clockwork.turns()
    monkeypatch.setattr(schedule_times, "zone_of", without_zones)
    schedule_times.times_of.cache_clear()
    clockwork.clock.now -= 2 * HOUR
    clockwork.turns()
    clockwork.go(3 * HOUR)
    assert clockwork.outcomes("t")[-1] == ("fired", 1)
    assert clockwork.results("t")[-1].begin == clockwork.clock.now


def test_content_that_fails_in_an_unknown_way_is_refused_and_the_others_fire(clockwork: Clockwork) -> None:
    view = clockwork.create()
    clockwork.create("t")
    broken = replace(view.schedule, content={"unknown": True}, serial="2")
    clockwork.ledger.schedules.change(broken, view.schedule.serial)
    clockwork.go(MINUTE)
    assert (clockwork.outcomes("s"), clockwork.outcomes("t")) == ([("refused", 1)], [("fired", 1)])
    assert "TypeError" in clockwork.results("s")[0].reason


def test_jobs_may_wait_for_hosts_that_are_offline(clockwork: Clockwork) -> None:
    clockwork.create(expires_after=DAY)
    clockwork.turns()
    job = clockwork.services.jobs.get(clockwork.results()[0].job_id)
    assert job.expires_at == clockwork.clock.now + DAY


def test_jitter_delays_a_time_and_must_be_shorter_than_the_distance(clockwork: Clockwork) -> None:
    view = clockwork.create(timing=Timing(every=HOUR, anchor=clockwork.clock.now, jitter=30 * MINUTE))
    assert view.progress.next is not None
    assert view.progress.due is not None
    assert 0 <= view.progress.due - view.progress.next < 30 * MINUTE
    clockwork.go(HOUR)
    assert clockwork.results()[0].begin == view.progress.next
    with pytest.raises(InvalidInput, match="3600 s"):
        clockwork.create("t", timing=Timing(every=HOUR, jitter=HOUR))


def test_the_default_anchor_of_an_interval_is_its_length_from_now_and_remains(clockwork: Clockwork) -> None:
    view = clockwork.create(timing=Timing(every=HOUR))
    assert view.progress.next == clockwork.clock.now + HOUR
    clockwork.clock.advance(60)
    again = Schedule("s", "", "", Timing(every=HOUR), JOB, Owner("", "", ""), "changed")
    assert clockwork.schedules.replace(again, submission_of(JOB, ADMIN))[0].progress == view.progress


def test_schedules_without_a_future_are_refused(clockwork: Clockwork) -> None:
    now = clockwork.clock.now
    for timing in (Timing(at=now - 1), Timing(cron="@daily", ends=now - DAY)):
        with pytest.raises(InvalidInput, match="never fire"):
            clockwork.create(timing=timing)


def test_results_are_counted_for_the_metrics(clockwork: Clockwork) -> None:
    clockwork.create()
    clockwork.clock.advance(3 * 3600 + 7)
    clockwork.turns()
    measures = clockwork.services.measures()
    assert measures.schedules == 1
    assert measures.schedule_results == {"missed": 3, "fired": 1, "late": 7 * SECOND}
    assert measures.schedules_overdue_seconds == 0
    clockwork.clock.advance(3605)
    assert clockwork.services.measures().schedules_overdue_seconds == pytest.approx(3605 - 3593)


def test_outcomes_are_the_words_of_the_scripts() -> None:
    assert {str(outcome) for outcome in Outcome} >= {"fired", "triggered"}
