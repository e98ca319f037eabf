"""Schedules that follow jobs: each end of a job starts one job, whatever dies in between, and loops end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidInput, LedgerUnavailable
from jobqueue.ledger.listed_names import ListedNames
from jobqueue.ledger.schedules import Endings
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job
from jobqueue.model.notification import Channel, Cursor, NotificationRule
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import After, Blackout, Overlap, Owner, ScheduleView, Timing
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.services.follower import MOST_IN_A_ROW, job_id_after
from tests.ledger.test_schedules import ADMIN, HOUR, JOB, SECOND, Clockwork
from tests.ledger.world import LEASE, World

COMPLETED = ("completed",)
ADMIN_OWNER = Owner("token", "", "admin")


def group(name: str) -> str:
    return f"saved|{name}"


class Chain(Clockwork):
    """Schedules whose jobs stand for those of saved jobs."""

    def make(self, content: Mapping[str, Any], principal: Principal) -> Submission:
        """``makes`` is the saved job of the content."""
        content = dict(content)
        makes = content.pop("makes", "")
        return Submission(**content, principal=principal, groups=(group(makes),) if makes else ())

    def follow(
        self, name: str = "s", of: str = "deploy", makes: str = "", status: tuple[str, ...] = COMPLETED, **fields: Any
    ) -> ScheduleView:
        content = {**JOB, **({"makes": makes} if makes else {})}
        return self.create(
            name, timing=Timing(), content=content, after=After("saved", of, group(of), status), **fields
        )

    def start(self, saved: str = "deploy") -> str:
        """A job of a saved job."""
        return self.services.submitter.submit(Submission(**JOB, principal=ADMIN, groups=(group(saved),))).job_id

    def end(self, job_id: str, state: ExecutionState = ExecutionState.COMPLETED) -> None:
        self.world.finish(self.world.claim(job_id, "web1"), state)

    def ended(self, saved: str = "deploy", state: ExecutionState = ExecutionState.COMPLETED) -> str:
        job_id = self.start(saved)
        self.end(job_id, state)
        return job_id

    def made(self, name: str = "s") -> list[Job]:
        return list(self.services.jobs.page(JobFilter(tag=("schedule", name))).items)


@pytest.fixture
def chain(world: World, tmp_path: Path) -> Chain:
    return Chain(world, tmp_path)


def test_an_end_starts_one_job(chain: Chain) -> None:
    view = chain.follow()
    assert view.progress.next is None
    assert chain.schedules.preview(view.schedule) == []
    before = chain.start()
    chain.turns()
    assert chain.made() == []
    chain.end(before)
    chain.turns()
    (job,) = chain.made()
    assert job.id == job_id_after(view.schedule, before)
    assert job.tags == {"schedule": "s", "after": before}
    assert chain.outcomes() == [("followed", 1)]
    assert [result.job_id for result in chain.results()] == [job.id]
    chain.turns()
    assert len(chain.made()) == 1


def test_only_ends_from_now_on_with_a_status_and_of_the_saved_job(chain: Chain) -> None:
    chain.ended()
    chain.follow("ok")
    chain.follow("bad", status=("failed", "partial_failure"))
    chain.turns()
    chain.ended("other")
    chain.ended(state=ExecutionState.FAILED)
    chain.turns()
    assert (len(chain.made("ok")), len(chain.made("bad"))) == (0, 1)


def test_a_process_that_dies_before_it_notes_an_end_makes_no_second_job(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.follow(overlap=Overlap.ALLOW)
    ends = [chain.ended() for _ in range(3)]

    def die(*_: Any) -> bool:
        raise LedgerUnavailable

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(chain.ledger.schedules, "pass_endings", die)
            with pytest.raises(LedgerUnavailable):
                chain.scheduler.turn()
    chain.turns()
    assert sorted(job.tags["after"] for job in chain.made()) == sorted(ends)
    assert chain.outcomes() == [("followed", 1)] * 3


def test_two_processes_make_one_job(chain: Chain) -> None:
    chain.follow()
    chain.ended()
    other = chain.process()
    other._me = chain.scheduler._me  # as if the lease had expired between the two
    read = chain.ledger.schedules.endings(10)
    assert isinstance(read, Endings)
    chain.turns()
    other._follower.turn(chain.clock.now)
    assert not chain.ledger.schedules.pass_endings(read.before, read.after)
    assert len(chain.made()) == 1


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"timing": Timing(starts=10**16)}, []),
        ({"timing": Timing(ends=1)}, []),
        ({"blackouts": (Blackout("* * * * *", HOUR),)}, [("blackout", 1)]),
    ],
)
def test_ends_that_start_nothing(chain: Chain, fields: dict[str, Any], outcome: list[tuple[str, int]]) -> None:
    fields = {"timing": Timing()} | fields
    chain.create("s", content=JOB, after=After("saved", "deploy", group("deploy"), COMPLETED), **fields)
    chain.ended()
    chain.turns()
    assert (chain.made(), chain.outcomes()) == ([], outcome)


def test_a_pause_and_a_broken_job_are_noted(chain: Chain) -> None:
    chain.follow()
    chain.schedules.pause("s", "moving", ADMIN)
    chain.ended()
    chain.turns()
    chain.schedules.resume("s", ADMIN)
    chain.ended()
    chain.turns()
    assert chain.outcomes() == [("paused", 1), ("followed", 1)]


@pytest.mark.parametrize(
    ("overlap", "outcomes"),
    [
        (Overlap.SKIP, [("followed", 1), ("skipped", 1)]),
        (Overlap.ALLOW, [("followed", 1), ("followed", 1)]),
        (Overlap.CANCEL_OTHER, [("followed", 1), ("followed", 1)]),
    ],
)
def test_overlap(chain: Chain, overlap: Overlap, outcomes: list[tuple[str, int]]) -> None:
    chain.follow(overlap=overlap)
    chain.ended()
    chain.turns()
    (first,) = chain.made()
    chain.ended()
    chain.turns()
    assert chain.outcomes() == outcomes
    is_cancelled = chain.world.job(first.id).status.value == "cancelled"
    assert is_cancelled == (overlap is Overlap.CANCEL_OTHER)


def test_a_loop_is_refused_when_it_is_stored(chain: Chain) -> None:
    with pytest.raises(InvalidInput, match="The schedule would start itself: s -> saved deploy -> s"):
        chain.follow(makes="deploy")
    chain.follow("a", of="deploy", makes="test")
    chain.follow("b", of="test", makes="report")
    with pytest.raises(InvalidInput, match="c -> a -> b -> saved report -> c"):
        chain.follow("c", of="report", makes="deploy")
    chain.follow("c", of="report", makes="archive")


def test_a_loop_that_two_callers_stored_at_once_ends(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.ledger.schedules, "followers", lambda *_: ())  # neither sees the other
    chain.follow("a", of="ping", makes="pong")
    chain.follow("b", of="pong", makes="ping")
    chain.ended("ping")
    for _ in range(2 * MOST_IN_A_ROW):
        chain.turns()
        for name in "ab":
            last = chain.schedules.get(name).progress
            if last.job_id and last.job_status not in ("", "completed"):
                chain.end(last.job_id)
    assert len(chain.made("a")) + len(chain.made("b")) == MOST_IN_A_ROW - 1
    (refused,) = [result for name in "ab" for result in chain.results(name) if str(result.outcome) == "refused"]
    assert refused.reason.startswith(f"{MOST_IN_A_ROW} jobs have followed one another")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"timing": Timing(every=HOUR)}, "every"),
        ({"timing": Timing(anchor=1)}, "anchor"),
        ({"timing": Timing(jitter=SECOND)}, "jitter"),
        ({"timing": Timing(starts=2, ends=1)}, "ends"),
        ({"overlap": Overlap.BUFFER_ONE}, "overlap"),
        ({"catch_up": None}, "catch_up"),
    ],
)
def test_terms_that_only_times_have(chain: Chain, fields: dict[str, Any], field: str) -> None:
    fields = {"timing": Timing()} | fields
    with pytest.raises(InvalidInput) as caught:
        chain.create("s", content=JOB, after=After("saved", "deploy", group("deploy"), COMPLETED), **fields)
    assert caught.value.details is not None
    assert list(caught.value.details) == [field]


def test_a_schedule_can_be_changed_to_times_and_back(chain: Chain) -> None:
    chain.follow()
    client, keys = chain.world.client, chain.ledger.keys

    def kept() -> list[int]:
        followed = keys.kind("followers") + group("deploy")
        return [int(client.exists(key)) for key in (keys.kind("followed"), keys.kind("job_notices"), followed)]

    assert kept() == [1, 1, 1]
    view = chain.schedules.get("s").schedule
    timed = chain.make(JOB, ADMIN)
    changed, is_new = chain.schedules.replace(
        chain.create("t").schedule.__class__(**{**vars(view), "after": None, "timing": Timing(every=HOUR)}), timed
    )
    assert (is_new, changed.progress.next is not None, kept()) == (False, True, [0, 0, 0])
    again, _ = chain.schedules.replace(view, timed)
    assert (again.progress.next, kept()) == (None, [1, 1, 1])
    chain.schedules.remove("s")
    assert kept() == [0, 0, 0]


def test_notification_rules_and_schedules_leave_each_other_their_events(chain: Chain) -> None:
    notifications = chain.ledger.notifications
    rule = NotificationRule("r", "u", "1", ("job.failed",), Channel("webhook", "http://127.0.0.1:1"), ADMIN_OWNER)
    notifications.put(rule, "")
    chain.follow()
    ended = chain.ended()
    newest = notifications.read(Cursor("0-0", "0-0")).newest
    notifications.take("me", 5, newest)  # all rules have passed it
    chain.turns()
    assert [job.tags["after"] for job in chain.made()] == [ended]
    notifications.remove("r", "1")
    ended = chain.ended()
    chain.end(chain.made()[0].id)
    chain.turns()
    assert chain.made()[0].tags["after"] == ended


def test_events_that_were_removed_are_reported(chain: Chain) -> None:
    chain.follow()
    key = chain.ledger.keys.kind("job_notices")
    chain.world.client.xtrim(key, maxlen=0)
    chain.turns()
    (alert,) = chain.ledger.executions.alerts()
    assert "may have missed endings" in alert.message
    chain.ended()
    chain.turns()
    assert len(chain.made()) == 1


def _turn(chain: Chain) -> None:
    chain.follow()
    chain.world.client.delete(chain.ledger.keys.kind("job_notices"))
    chain.turns()


def _follow(chain: Chain) -> None:
    """A notification rule has a position in the stream that is begun for a schedule."""
    rule = NotificationRule("r", "u", "1", ("job.failed",), Channel("webhook", "http://127.0.0.1:1"), ADMIN_OWNER)
    chain.ledger.notifications.put(rule, "")
    chain.world.client.delete(chain.ledger.keys.kind("job_notices"))
    chain.follow()


@pytest.mark.parametrize("begin", [_turn, _follow])
def test_a_stream_that_was_deleted_begins_after_every_position(chain: Chain, begin: Callable[[Chain], None]) -> None:
    """Otherwise an entry with the id of a position would hide that events are missing."""
    seconds, micros = chain.world.client.time()
    begin(chain)
    ((entry_id, _), *_) = chain.world.client.xrange(chain.ledger.keys.kind("job_notices"))
    milliseconds, number = map(int, str(entry_id).split("-"))
    assert milliseconds > seconds * 1000 + micros // 1000
    assert number >= 1_000_000  # that of a microsecond: a stream may be begun twice in a millisecond


def test_ends_in_a_stream_that_was_replaced_during_a_turn_are_not_removed(chain: Chain) -> None:
    chain.follow()
    key = chain.ledger.keys.kind("job_notices")
    chain.world.client.xadd(key, {"v": "x"}, id="99999999999999-1")
    read = chain.ledger.schedules.endings(10)
    assert isinstance(read, Endings)
    assert Watch(chain.ledger, LEASE).shared_keys() == 1
    ended = chain.ended()
    assert chain.ledger.schedules.pass_endings(read.before, read.after)
    chain.turns()
    assert [job.tags["after"] for job in chain.made()] == [ended]
    assert chain.world.client.delete(f"jobqueue:spoiled:{key}") == 1


def test_a_failure_with_ends_keeps_no_schedule_with_times_from_firing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.follow()
    chain.create("timed")
    chain.ended()

    def fail(*_: Any) -> Endings:
        raise ValueError("broken")

    monkeypatch.setattr(chain.ledger.schedules, "endings", fail)
    with pytest.raises(ValueError, match="broken"):
        chain.scheduler.turn()
    assert chain.outcomes("timed") == [("fired", 1)]


def test_a_forged_event_starts_nothing(chain: Chain) -> None:
    chain.follow()
    running = chain.start()
    stream = chain.ledger.keys.kind("job_notices")
    for text in (f"ended|1|{running}|completed", "ended|1|nothing|completed", "ended|x", "", "|||"):
        chain.world.client.xadd(stream, {"v": text})
    chain.turns()
    assert (chain.made(), chain.outcomes()) == ([], [])


def test_the_doctor_lists_a_schedule_again(chain: Chain) -> None:
    chain.follow()
    client, keys = chain.world.client, chain.ledger.keys
    lists = (keys.kind("followers") + group("deploy"), keys.kind("following"))
    client.delete(*lists)

    def scan(kind: str) -> Any:
        return map(str, client.scan_iter(f"{keys.kind(kind)}*"))

    names = ListedNames(client, keys, scan, repairs=True)
    assert [key for _, key, _ in names.faults()] == list(lists)
    assert list(names.faults()) == []
    chain.ended()
    chain.turns()
    assert len(chain.made()) == 1
