"""Leases that ran out: run again where that is safe or asked for, else lost."""

from __future__ import annotations

import pytest

from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

UNKNOWN = "how far it came is not known, and what it started may still be running there"

S = ExecutionState


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b")


def fall_silent(world: World, job_id: str, slot: str, hostname: str | None = None) -> tuple[int, int]:
    """An agent claims and dies; returns what the reaper did."""
    world.claim(job_id, slot, hostname)
    world.clock.advance(LEASE)
    return world.executions.reap(10)


def test_what_may_not_run_again_is_lost_and_says_so(world: World) -> None:
    job_id = world.create("a")
    assert fall_silent(world, job_id, "a") == (0, 1)
    job, x = world.job(job_id), world.execution(job_id)
    assert (x.state, job.status) == (S.LOST, JobStatus.FAILED)
    assert x.error == f"agent a was killed, restarted or cut off during attempt 1; {UNKNOWN}"
    assert job.timeline[-1].message == "Agent a was lost while it ran the job; the outcome is unknown"
    assert world.stat("leases_lost") == 1
    assert world.executions.reap(10) == (0, 0)


def test_not_before_the_lease_has_run_out(world: World) -> None:
    job_id = world.create("a")
    world.claim(job_id, "a")
    world.clock.advance(LEASE - 0.000001)
    assert world.executions.reap(10) == (0, 0)
    assert world.state(job_id) is S.STARTED


def test_a_lease_that_ran_out_after_the_last_look_does_not_count(world: World) -> None:
    """Redis did not answer between the check and this call, so no agent could renew."""
    job_id = world.create("a")
    world.claim(job_id, "a")
    looked_at = int(world.clock())
    world.clock.advance(LEASE)
    assert world.executions.reap(10, looked_at) == (0, 0)
    assert world.state(job_id) is S.STARTED
    assert world.executions.reap(10, int(world.clock())) == (0, 1)


@pytest.mark.parametrize("slot", ["a", ANY])
def test_an_idempotent_operation_runs_again_at_once(world: World, slot: str) -> None:
    job_id = world.create(slot, is_idempotent=True)
    assert fall_silent(world, job_id, slot, "a") == (1, 0)
    x = world.execution(job_id)
    assert (x.state, x.slot) == (S.SUBMITTED, slot)
    assert x.events[-1].message == "Job retried: agent a was killed, restarted or cut off during attempt 1"
    assert world.promote() == [job_id]
    world.run(job_id, slot, "a" if slot == "a" else "b")
    assert world.job(job_id).attempts == 2


def test_but_not_for_ever(world: World) -> None:
    """An operation that kills its agent must not go round the fleet."""
    job_id = world.create(ANY, is_idempotent=True)
    for _ in range(4):
        assert fall_silent(world, job_id, ANY, "a") == (1, 0)
        world.promote()
    assert fall_silent(world, job_id, ANY, "b") == (0, 1)
    assert world.state(job_id) is S.LOST
    assert world.job(job_id).attempts == 5


@pytest.mark.parametrize("is_idempotent", [False, True])
def test_the_callers_retries_count(world: World, is_idempotent: bool) -> None:
    job_id = world.create("a", retries=RetryPolicy(2, 1.0, 300.0, 0.1), is_idempotent=is_idempotent)
    assert fall_silent(world, job_id, "a") == (1, 0)
    world.promote()
    assert fall_silent(world, job_id, "a") == (0, 1)
    assert world.state(job_id) is S.LOST


def test_a_caller_who_wants_one_attempt_gets_one(world: World) -> None:
    job_id = world.create("a", retries=RetryPolicy(1, 1.0, 300.0, 0.1), is_idempotent=True)
    assert fall_silent(world, job_id, "a") == (0, 1)


def test_one_agent_of_a_broadcast(world: World) -> None:
    job_id = world.create(ALL)
    world.run(job_id, "b")
    assert fall_silent(world, job_id, "a") == (0, 1)
    job = world.job(job_id)
    assert job.status is JobStatus.PARTIAL_FAILURE
    assert job.error == f"1 of 2 agents failed: a: agent a was killed, restarted or cut off during attempt 1; {UNKNOWN}"


def test_in_steps(world: World) -> None:
    for _ in range(5):
        world.claim(world.create("a"), "a")
    world.clock.advance(LEASE)
    assert [world.executions.reap(2) for _ in range(4)] == [(0, 2), (0, 2), (0, 1), (0, 0)]


def test_the_return_of_an_agent_that_is_gone_is_waited_for_until_the_deadline(world: World) -> None:
    """The deadline passed while it ran; then its agent died. It must not wait for that agent for ever."""
    job_id = world.create("a", is_idempotent=True, expires_at=world.clock.after(5))
    world.claim(job_id, "a")
    world.clock.advance(6)
    assert world.executions.expire(10) == 0
    world.clock.advance(LEASE)
    assert world.executions.reap(10) == (1, 0)
    world.promote()
    assert world.executions.expire(10) == 1
    assert world.state(job_id) is S.EXPIRED
