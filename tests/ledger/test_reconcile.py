"""Messages that got lost are published again; messages that still wait are not doubled."""

from __future__ import annotations

import pytest

from jobqueue.ledger.doctor import Doctor
from jobqueue.model.agent import Heartbeat
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger.counting import commands_of
from tests.ledger.world import LEASE, LIVE, World


def beat(world: World, hostname: str, running: int = 0) -> None:
    world.agents.beat(hostname, "boot", Heartbeat(running=running))


def test_a_lost_message_is_published_again_once(world: World) -> None:
    world.register("a")
    job_id = world.create("a", priority=7)
    assert world.pop("a") == job_id  # and the agent dies before it claims
    world.clock.advance(4.9)
    assert world.reconcile("a") == []
    world.clock.advance(0.1)
    assert world.reconcile("a") == [job_id]
    assert world.queued("a") == [job_id]
    assert world.messages("a")[0]["properties"]["priority"] == 2
    for _ in range(3):
        world.clock.advance(60)
        beat(world, "a")
        assert world.reconcile("a") == []
    assert world.stat("republished") == 1
    world.run(world.pop("a"), "a")


def test_messages_that_wait_are_not_doubled(world: World) -> None:
    world.register("a")
    jobs = [world.create("a", priority=number % 10) for number in range(30)]
    world.clock.advance(3600)
    beat(world, "a")
    assert world.reconcile("a") == []
    assert sorted(world.queued("a")) == sorted(jobs)


def test_only_the_lost_ones_of_many(world: World) -> None:
    """Of each list the oldest were taken and lost, as agents take them."""
    world.register("a", "b")
    jobs = [world.create(ANY, priority=number % 3) for number in range(30)]
    lost = [world.pop(ANY) for _ in range(12)]
    assert lost[:10] == jobs[2::3]  # all of priority 2, then two of priority 1
    world.clock.advance(10)
    assert sorted(world.reconcile(ANY)) == sorted(lost)
    world.clock.advance(10)
    assert world.reconcile(ANY) == []
    assert sorted(world.queued(ANY)) == sorted(jobs)
    for _ in jobs:
        world.run(world.pop(ANY), ANY, "b")


def test_a_deleted_queue(world: World) -> None:
    world.register("a", "b")
    jobs = [world.create(ALL) for _ in range(3)]
    world.lose_messages("a")
    later = world.create("a")
    world.clock.advance(10)
    assert world.reconcile("a") == jobs
    assert world.reconcile("b") == []
    assert world.queued("a") == [later, *jobs]
    assert world.reconcile("a") == []


def test_a_queue_that_is_deleted_for_good_behind_a_newer_message(world: World) -> None:
    """The count of the messages is right, and the messages are not."""
    world.register("a")
    lost = world.create("a")
    world.pop("a")
    cancelled = world.create("a")
    world.jobs.cancel(cancelled, "on request")  # its message stays in the queue
    world.clock.advance(10)
    assert world.reconcile("a") == [lost]


def test_what_is_claimed_waiting_or_final_is_not_published(world: World) -> None:
    world.register("a")
    running, ended = world.create("a"), world.create("a")
    world.create("a", not_before=world.clock.after(1000))
    world.claim(running, "a")
    world.run(ended, "a")
    world.lose_messages("a")
    world.clock.advance(100)
    beat(world, "a")
    assert world.reconcile("a") == []


def test_a_duplicate_is_refused_by_claim(world: World) -> None:
    """The agent that took the message was only slow."""
    world.register("a")
    job_id = world.create("a")
    world.pop("a")
    world.clock.advance(10)
    assert world.reconcile("a") == [job_id]
    world.run(job_id, "a")
    assert world.refused(world.pop("a"), "a") == "completed"


def test_after_a_retry_the_message_names_the_next_attempt(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.retry_later(world.claim(job_id, "a"), 0)
    world.promote()
    world.lose_messages("a")
    world.clock.advance(10)
    assert world.reconcile("a") == [job_id]
    assert world.messages("a")[0]["headers"]["id"] == f"{job_id}:a:2"


def test_in_steps_oldest_first(world: World) -> None:
    world.register("a")
    jobs = [world.create("a") for _ in range(5)]
    world.lose_messages("a")
    world.clock.advance(10)
    assert [world.reconcile("a", limit=2) for _ in range(4)] == [jobs[:2], jobs[2:4], jobs[4:], []]


def test_a_clock_that_is_set_back(world: World) -> None:
    """Times of publishing grow all the same: nothing is doubled, and what is lost comes back."""
    world.register("a")
    first = world.create("a")
    world.clock.advance(-3600)
    second = world.create("a")
    world.register("a")
    world.clock.advance(10)
    assert world.reconcile("a") == []
    assert world.queued("a") == [first, second]
    assert world.pop("a") == first
    world.clock.advance(3600)
    beat(world, "a")
    assert world.reconcile("a") == [first]
    world.clock.advance(10)
    assert world.reconcile("a") == []


def test_a_message_from_other_hands_is_no_proof_of_loss(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.lose_messages("a")
    world.client.lpush(world.queue_lists("a")[5], "not ours")
    world.clock.advance(10)
    assert world.reconcile("a") == []
    world.lose_messages("a")
    assert world.reconcile("a") == [job_id]


def test_where_the_broker_is_elsewhere_all_that_waited_long_is_named(world: World) -> None:
    world.register("a")
    job_id = world.new_jobs.create(world.new_job("a"), "").accepted.job_id
    assert world.executions.reconcile("a", 5, 10, "") == []
    world.clock.advance(5)
    [due] = world.executions.reconcile("a", 5, 10, "")
    assert (due.job_id, due.slot, due.priority, due.attempt) == (job_id, "a", 4, 1)
    assert world.executions.reconcile("a", 5, 10, "") == []
    assert world.state(job_id) is ExecutionState.SUBMITTED


# --- what is merely late ----------------------------------------------------------------------------------------------


def test_an_agent_that_is_offline_is_waited_for(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.pop("a")
    world.clock.advance(LIVE + 1)
    assert world.reconcile("a") == []
    beat(world, "a")
    assert world.reconcile("a") == [job_id]


def test_a_busy_agent_may_hold_the_message(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.pop("a")
    for _ in range(4):
        world.clock.advance(6)
        beat(world, "a", running=1)
        assert world.reconcile("a") == []
    world.clock.advance(6)
    beat(world, "a", running=1)
    assert world.reconcile("a") == [job_id]


def test_an_agent_that_was_started_later_holds_no_message(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.pop("a")
    world.clock.advance(6)
    world.register("a", boot_id="new")
    world.agents.beat("a", "new", Heartbeat(running=1))
    assert world.reconcile("a") == [job_id]


# --- which queues are looked at ---------------------------------------------------------------------------------------


def stale(world: World) -> set[str]:
    return set(world.executions.stale_queues(5.0, 100)[0])


def test_only_queues_in_which_something_waits_are_looked_at_and_once_per_time_span(world: World) -> None:
    world.register("a", "b", "c")
    world.create("a")
    world.create("b")
    assert stale(world) == set()
    world.clock.advance(3)
    late = world.create("b")
    world.run(world.pop("b"), "b")
    world.clock.advance(2)
    assert stale(world) == {"a"}
    assert stale(world) == set()
    world.clock.advance(3)
    assert stale(world) == {"b"}
    world.run(late, "b")
    world.clock.advance(5)
    assert stale(world) == {"a"}
    assert set(world.client.zrange(world.ledger.keys.kind("queues"), 0, -1)) == {"a"}


@pytest.mark.realredis
def test_an_idle_fleet_costs_nothing(real_world: World) -> None:
    world, ran = real_world, []
    for fleet in (5, 100):
        world.register(*(f"h{number}" for number in range(fleet)))
        for host in ("h0", "h1"):
            world.create(host)
        world.clock.advance(6)
        ran.append(commands_of(world.client, lambda: stale(world)))
    assert ran[0] == ran[1] < 15


def test_queues_of_the_version_before_are_looked_at(world: World) -> None:
    world.register("a", "b")
    world.create("a")
    world.client.delete(world.ledger.keys.kind("queues"))
    world.executions.watch_queues([ANY, "a", "b"])
    world.clock.advance(6)
    assert stale(world) == {"a"}


def test_lost_notes_of_queues_are_found_by_the_doctor(world: World) -> None:
    world.register("a")
    world.create("a")
    world.client.delete(world.ledger.keys.kind("queues"))
    doctor = Doctor(world.ledger, repairs=True, lease_seconds=LEASE)
    assert [damage.kind for damage in doctor.run()] == ["queue"]
    assert list(doctor.run()) == []
