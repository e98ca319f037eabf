"""Removing jobs: everything of them, and nothing else."""

from __future__ import annotations

import uuid

import pytest
import redis

from jobqueue.errors import JobNotFinal, JobNotFound
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.output import Piece
from jobqueue.model.filter import JobFilter
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

S = ExecutionState


def everything(client: redis.Redis) -> set[str]:
    return set(client.keys("*"))


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b")
    world.create("a")  # so that the keys that are always there are there
    world.run(world.create("a"), "a")
    world.client.hset(world.ledger.keys.kind("stats"), "claims_refused", 0)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "expire", "lose", "retry"])
@pytest.mark.parametrize("target", ["b", ANY, ALL])
def test_no_key_is_left_behind(world: World, target: str, end: str) -> None:
    before = everything(world.client)
    job_id = world.create(
        target,
        operation="op.x",
        tags={"team": "web", "x": "y|z"},
        expires_at=world.clock.after(100),
        idempotency_key="k",
        digest="ab",
        retries=RetryPolicy(3, 1.0, 1.0, 0.0),
    )
    slots = [x.slot for x in world.job(job_id).executions]
    if end in ("complete", "fail", "retry", "lose"):
        for slot in slots:
            claim = world.claim(job_id, slot, "b" if slot == ANY else slot)
            world.ledger.fetched.open(claim)
            assert world.ledger.fetched.store(claim, 0, b"a file")
            if end == "retry":
                world.retry_later(claim, 0)
                world.promote()
                world.run(job_id, slot, "a" if slot == ANY else slot)
            elif end != "lose":
                world.finish(claim, S.FAILED if end == "fail" else S.COMPLETED)
        for _ in range(3):  # as often as the caller allows
            world.clock.advance(LEASE)
            world.executions.reap(10)
            world.promote()
            for slot in slots:
                world.try_claim(job_id, slot, "b" if slot == ANY else slot)
    elif end == "cancel":
        world.jobs.cancel(job_id, "on request")
    else:
        world.clock.advance(200)
        world.executions.expire(10)
    for slot in {*slots, ANY}:
        world.lose_messages(slot)  # an agent takes and drops what is there
    world.jobs.delete(job_id)
    assert everything(world.client) - before == set()
    with pytest.raises(JobNotFound):
        world.job(job_id)
    assert job_id not in [job.id for job in world.jobs.page(JobFilter(limit=100)).items]


def test_output_goes_with_the_job_from_every_agent_that_had_it(world: World) -> None:
    job_ids = [world.create(target) for target in ("a", ANY, ALL)]
    for host in ("a", "b"):
        for job_id, slot in zip(job_ids, ("a", ANY, host), strict=True):
            claim = world.try_claim(job_id, slot, host)
            if isinstance(claim, Claim):
                assert world.ledger.output.append(claim, 1, [Piece("stdout", b"one\n"), Piece("stderr", b"\xff")])
                world.finish(claim) if slot != ANY or host == "b" else world.retry_later(claim, 0)
        world.promote()
    logs = [name for name in world.client.keys("*") if name.startswith(world.ledger.keys.kind("log"))]
    assert len(logs) == 5
    for job_id in job_ids:
        world.jobs.delete(job_id)
    assert not everything(world.client) & set(logs)


def test_a_job_that_has_not_ended(world: World) -> None:
    job_id = world.create(ALL)
    for host in ("a", "b"):
        before = world.job(job_id)
        with pytest.raises(JobNotFinal):
            world.jobs.delete(job_id)
        assert world.job(job_id) == before
        world.run(job_id, host)
    world.jobs.delete(job_id)


def test_an_unknown_job(world: World) -> None:
    with pytest.raises(JobNotFound):
        world.jobs.delete(str(uuid.uuid4()))


def test_both_sides_of_a_retry_live_on_alone(world: World) -> None:
    first = world.create("a")
    world.run(first, "a")
    second = world.create("a", retry_of=first)
    world.run(second, "a")
    world.jobs.delete(first)
    assert world.job(second).retry_of == first
    with pytest.raises(JobNotFound):
        world.jobs.delete(first)


class TestPrune:
    def test_by_age_since_the_end_in_steps(self, world: World) -> None:
        world.lose_messages("a")
        old = [world.create("b") for _ in range(3)]
        for job_id in old:
            world.run(job_id, "b")
        world.clock.advance(100)
        young = world.create("b")
        world.run(young, "b")
        running = world.create("b")
        world.clock.advance(60)
        assert world.jobs.prune(100, 3) == 3  # among them one of the fixture
        assert world.jobs.prune(100, 3) == 1
        assert world.jobs.prune(100, 3) == 0
        assert world.jobs.get_many([*old, young, running]) == [world.job(young), world.job(running)]

    def test_what_never_ended_is_kept(self, world: World) -> None:
        job_id = world.create("b")
        world.clock.advance(10**6)
        world.jobs.prune(1, 100)
        world.run(job_id, "b")
