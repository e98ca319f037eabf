"""Deadlines: what was not started by then ends."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import World

S = ExecutionState


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b", "c")


@pytest.mark.parametrize("target", ["a", ANY])
def test_not_started_by_then(world: World, target: str) -> None:
    job_id = world.create(target, expires_at=world.clock.after(10))
    world.clock.advance(9.9)
    assert world.executions.expire(10) == 0
    world.clock.advance(0.1)
    assert world.executions.expire(10) == 1
    job, x = world.job(job_id), world.execution(job_id)
    assert (x.state, x.error) == (S.EXPIRED, "not started before its deadline")
    assert job.status is JobStatus.FAILED
    assert "Job expired before" in job.timeline[-1].message
    assert ANY not in job.timeline[-1].message
    assert world.executions.expire(10) == 0


def test_while_it_waits_for_its_time(world: World) -> None:
    job_id = world.create("a", not_before=world.clock.after(20), expires_at=world.clock.after(10))
    world.clock.advance(10)
    assert world.executions.expire(10) == 1
    world.clock.advance(10)
    assert world.promote() == []
    assert world.state(job_id) is S.EXPIRED


def test_while_it_waits_for_its_retry(world: World) -> None:
    job_id = world.create(ANY, expires_at=world.clock.after(10))
    world.retry_later(world.claim(job_id, ANY, "a"), 60)
    world.clock.advance(10)
    assert world.executions.expire(10) == 1
    assert world.execution(job_id).duration is None


def test_a_retry_that_comes_after_the_deadline(world: World) -> None:
    job_id = world.create("a", expires_at=world.clock.after(10))
    claim = world.claim(job_id, "a")
    world.clock.advance(20)
    assert world.executions.expire(10) == 0
    world.retry_later(claim, 60)
    assert world.executions.expire(10) == 1
    assert world.state(job_id) is S.EXPIRED


def test_what_runs_and_what_has_ended_is_left_alone(world: World) -> None:
    job_id = world.create(ALL, expires_at=world.clock.after(10))
    running = world.claim(job_id, "a")
    world.run(job_id, "b")
    world.clock.advance(10)
    assert world.executions.expire(10) == 1
    assert {x.slot: x.state for x in world.job(job_id).executions} == {
        "a": S.STARTED, "b": S.COMPLETED, "c": S.EXPIRED,
    }  # fmt: skip
    world.finish(running)
    assert world.job(job_id).status is JobStatus.PARTIAL_FAILURE


def test_in_steps_of_so_many_executions(world: World) -> None:
    for seconds in (1, 2, 3):
        world.create(ALL, expires_at=world.clock.after(seconds))
    world.clock.advance(5)
    assert [world.executions.expire_slice(4) for _ in range(4)] == [(4, True), (4, True), (1, False), (0, False)]


def test_a_deadline_in_the_past(world: World) -> None:
    before = world.client.dbsize()
    with pytest.raises(InvalidInput, match="expires_at: In the past"):
        world.create("a", expires_at=world.clock.after(-1))
    assert world.client.dbsize() == before


def test_a_repeated_request_finds_its_job_also_behind_the_deadline(world: World) -> None:
    options = {"expires_at": world.clock.after(5), "idempotency_key": "k", "digest": "ab"}
    job_id = world.create("a", **options)
    world.clock.advance(10)
    assert world.create("a", **options) == job_id
