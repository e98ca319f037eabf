"""Pauses: nothing new starts, what waits keeps its place, and starts once the pause ends."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import Conflict, PauseNotFound
from jobqueue.ledger.doctor import Doctor
from jobqueue.model.pause import MAX_PAUSES, Pause, PauseKind
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, OPERATION, World

S = ExecutionState
SECOND = 1_000_000


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b")


def pause(world: World, kind: PauseKind = PauseKind.EVERYTHING, value: str = "", *hosts: str, **more: Any) -> Pause:
    number = len(world.ledger.pauses.all())
    made = Pause(f"{number:08x}", kind, value, "the disk is being replaced", created_by="alice", **more)
    world.ledger.pauses.add(made, hosts)
    return made


def offer(world: World, host: str, slot: str | None = None) -> str:
    """Take the next message, as an agent does; returns what the claim said."""
    job_id = world.pop(slot or host)
    return world.refused(job_id, slot or host, host)


def maintain(world: World) -> None:
    world.executions.return_parked(500, world.template)


def test_nothing_starts_while_everything_is_paused(world: World) -> None:
    pause(world)
    job_id = world.create("a")
    assert offer(world, "a") == "paused"
    assert world.state(job_id) is S.SUBMITTED
    assert world.execution(job_id).held_by == "pause"
    assert not world.queued("a")
    world.clock.advance(3600)
    world.executions.promote(10, world.template)
    world.executions.reconcile(["a"], 5.0, 10, world.template)
    maintain(world)
    assert not world.queued("a"), "a paused execution is offered again and again"


def test_what_runs_goes_on(world: World) -> None:
    claim = world.claim(world.create("a"), "a")
    pause(world)
    world.finish(claim)
    assert world.state(claim.job_id) is S.COMPLETED


def test_after_the_end_all_start_in_the_former_order_and_before_newer_ones(world: World) -> None:
    made = pause(world)
    first, urgent, second = world.create("a"), world.create("a", priority=9), world.create("a")
    for _ in range(3):
        assert offer(world, "a") == "paused"
    newer = world.create("a")
    world.ledger.pauses.end(made.id)
    maintain(world)
    for expected in (urgent, first, second, newer):
        job_id = world.pop("a")
        assert job_id == expected
        world.finish(world.claim(job_id, "a"))
    assert world.execution(first).held_by == ""


def test_it_ends_by_itself(world: World) -> None:
    pause(world, until=int(world.clock()) + 60 * SECOND)
    job_id = world.create("a")
    assert offer(world, "a") == "paused"
    world.clock.advance(59)
    maintain(world)
    assert not world.queued("a")
    world.clock.advance(2)
    maintain(world)
    assert world.pop("a") == job_id
    assert world.claim(job_id, "a")
    assert world.ledger.pauses.all() == []


def test_a_claim_does_not_wait_for_maintenance_to_end_it(world: World) -> None:
    pause(world, until=int(world.clock()) + 60 * SECOND)
    world.clock.advance(61)
    assert world.claim(world.create("a"), "a")


@pytest.mark.parametrize(
    ("kind", "value", "job", "is_held"),
    [
        (PauseKind.OPERATION, OPERATION, {}, True),
        (PauseKind.OPERATION, "op.*", {}, True),
        (PauseKind.OPERATION, "op", {}, False),
        (PauseKind.OPERATION, "o.*", {}, False),
        (PauseKind.OPERATION, "op.xy", {}, False),
        (PauseKind.OPERATION, "other.*", {}, False),
        (PauseKind.TAG, "team:web", {"tags": {"app": "x", "team": "web", "zone": "a"}}, True),
        (PauseKind.TAG, "team:web", {"tags": {"team": "web"}}, True),
        (PauseKind.TAG, "team:web", {"tags": {"team": "webs"}}, False),
        (PauseKind.TAG, "team:web", {"tags": {"steam": "web"}}, False),
        (PauseKind.TAG, "team:", {"tags": {"team": "web"}}, False),
        (PauseKind.TAG, "team:ü|x%", {"tags": {"team": "ü|x%"}}, True),
        (PauseKind.TAG, "team:web", {}, False),
    ],
)
def test_only_what_is_named_is_paused(
    world: World, kind: PauseKind, value: str, job: dict[str, Any], is_held: bool
) -> None:
    made = pause(world, kind, value)
    job_id = world.create("a", **job)
    if is_held:
        assert offer(world, "a") == "paused"
    else:
        assert world.claim(world.pop("a"), "a")
    tags = frozenset(f"{key}:{text}" for key, text in job.get("tags", {}).items())
    assert made.holds(OPERATION, tags) is is_held, "the API says something else than the ledger does"
    assert world.state(job_id) is (S.SUBMITTED if is_held else S.STARTED)


def test_hosts_of_a_target(world: World) -> None:
    pause(world, PauseKind.TARGET, "a", "a")
    job_id = world.create(ALL)
    assert offer(world, "a") == "paused"
    assert world.claim(world.pop("b"), "b")
    assert [x.held_by for x in world.job(job_id).executions] == ["pause", ""]


def test_a_shared_execution_that_a_paused_host_took_goes_to_another(world: World) -> None:
    pause(world, PauseKind.TARGET, "a", "a")
    job_id = world.create(ANY)
    assert offer(world, "a", ANY) == "paused"
    assert not world.queued(ANY), "the paused host would take it again at once"
    world.clock.advance(1)
    world.executions.promote(10, world.template)
    assert world.claim(world.pop(ANY), ANY, "b").job_id == job_id


def test_a_shared_execution_is_offered_less_and_less_often(world: World) -> None:
    pause(world, PauseKind.TARGET, "a,b", "a", "b")
    world.create(ANY)
    offers = 0
    for _ in range(600):
        if world.queued(ANY):
            offers += 1
            assert offer(world, "a", ANY) == "paused"
        world.clock.advance(1)
        world.executions.promote(10, world.template)
    assert 600 / 15 <= offers <= 60


def test_deadlines_and_cancels_still_count(world: World) -> None:
    pause(world)
    expiring = world.create("a", expires_at=int(world.clock()) + 10 * SECOND)
    cancelled = world.create("a")
    for _ in range(2):
        assert offer(world, "a") == "paused"
    world.jobs.cancel(cancelled, "by alice")
    world.clock.advance(11)
    world.executions.expire(10)
    assert (world.state(expiring), world.state(cancelled)) == (S.EXPIRED, S.CANCELLED)
    assert not world.client.exists(world.ledger.keys.parked("pause:00000000"))


def test_a_second_pause_holds_what_the_first_one_held(world: World) -> None:
    pauses = [pause(world), pause(world, PauseKind.OPERATION, OPERATION)]
    job_id = world.create("a")
    assert offer(world, "a") == "paused"
    by_holding = dict(zip(world.ledger.pauses.held_back(pauses), pauses, strict=True))
    world.ledger.pauses.end(by_holding[1].id)
    maintain(world)
    assert offer(world, "a") == "paused"
    world.ledger.pauses.end(by_holding[0].id)
    maintain(world)
    assert world.claim(world.pop("a"), "a").job_id == job_id


def test_a_doubled_message_of_a_paused_execution_changes_nothing(world: World) -> None:
    made = pause(world)
    first, second = world.create("a"), world.create("a")
    for _ in range(2):
        offer(world, "a")
    world.clock.advance(5)
    assert world.refused(first, "a") == "paused"
    world.ledger.pauses.end(made.id)
    maintain(world)
    assert [world.pop("a"), world.pop("a")] == [first, second]


def test_a_claim_after_the_end_of_the_pause_does_not_double_it(world: World) -> None:
    made = pause(world)
    job_id = world.create("a")
    offer(world, "a")
    world.ledger.pauses.end(made.id)
    assert world.claim(job_id, "a")  # a doubled message comes before maintenance
    maintain(world)
    assert not world.queued("a")


def test_a_retry_waits_too(world: World) -> None:
    claim = world.claim(world.create("a"), "a")
    made = pause(world)
    world.retry_later(claim, 1)
    world.clock.advance(2)
    world.executions.promote(10, world.template)
    assert offer(world, "a") == "paused"
    world.ledger.pauses.end(made.id)
    maintain(world)
    assert world.claim(world.pop("a"), "a").attempt == 2


def test_an_agent_that_died_does_not_get_around_it(world: World) -> None:
    job_id = world.create("a", is_idempotent=True)
    world.claim(job_id, "a")
    pause(world)
    world.clock.advance(LEASE + 1)
    world.executions.reap(10)
    world.executions.promote(10, world.template)
    assert offer(world, "a") == "paused"


def test_many_return_in_steps_and_none_is_left(world: World) -> None:
    made = pause(world)
    jobs = [world.create("a") for _ in range(25)]
    for _ in jobs:
        offer(world, "a")
    assert world.ledger.pauses.held_back([made]) == [25]
    world.ledger.pauses.end(made.id)
    for expected in (10, 10, 5, 0):
        assert world.executions.return_parked(10, world.template)[0] == expected
    assert [world.pop("a") for _ in jobs] == jobs


def test_messages_of_another_broker_are_returned_to_the_caller(world: World) -> None:
    made = pause(world)
    job_id = world.create("a", priority=7)
    offer(world, "a")
    world.ledger.pauses.end(made.id)
    looked_at, due = world.executions.return_parked(10, "")
    assert looked_at == 1
    assert [(one.job_id, one.slot, one.priority, one.attempt) for one in due] == [(job_id, "a", 7, 1)]


def test_ending_what_has_ended_is_refused(world: World) -> None:
    made = pause(world)
    world.ledger.pauses.end(made.id)
    with pytest.raises(PauseNotFound, match=made.id):
        world.ledger.pauses.end(made.id)


def test_there_is_a_limit(world: World) -> None:
    for number in range(MAX_PAUSES):
        world.ledger.pauses.add(Pause(f"{number:08x}", PauseKind.OPERATION, "x.y", "r"))
    with pytest.raises(Conflict, match=str(MAX_PAUSES)):
        world.ledger.pauses.add(Pause("ffffffff", PauseKind.EVERYTHING, "", "r"))


def test_the_doctor_frees_what_no_pause_holds(world: World) -> None:
    pause(world)
    job_id = world.create("a")
    offer(world, "a")
    world.client.delete(world.ledger.keys.kind("pauses"))
    found = list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
    assert [damage.kind for damage in found] == ["parked"]
    maintain(world)
    assert world.claim(world.pop("a"), "a").job_id == job_id
    assert list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()) == []


def test_the_doctor_repairs_a_lost_place(world: World) -> None:
    made = pause(world)
    job_id = world.create("a")
    offer(world, "a")
    world.client.delete(world.ledger.keys.parked(f"pause:{made.id}"))
    found = list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
    assert {damage.kind for damage in found} == {"job"}
    assert list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()) == []
    world.executions.promote(10, world.template)
    assert offer(world, "a") == "paused"
    assert world.state(job_id) is S.SUBMITTED


def test_deleting_a_paused_job_by_force_leaves_nothing(world: World) -> None:
    pause(world)
    for target in ("a", ALL):
        job_id = world.create(target)
        offer(world, "a")
        world.jobs.remove(job_id)
    assert not world.client.exists(world.ledger.keys.parked("pause:00000000"))


def test_a_lost_list_of_pauses_is_written_again(world: World) -> None:
    pause(world)
    world.client.delete(world.ledger.keys.kind("paused"))
    maintain(world)
    world.create("a")
    assert offer(world, "a") == "paused"


def test_an_unreadable_pause_is_reported_and_holds_nothing(world: World) -> None:
    world.client.hset(world.ledger.keys.kind("pauses"), "00000000", "nonsense")
    assert world.ledger.pauses.all() == []
    assert any("00000000" in alert.message for alert in world.executions.alerts())
    assert world.claim(world.create("a"), "a")
