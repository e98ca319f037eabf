"""Cancelling, at every stage."""

from __future__ import annotations

import uuid

import pytest

from jobqueue.errors import JobFinal, JobNotFound
from jobqueue.ledger.executions import Finished, Renewal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

S = ExecutionState


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b", "c")


@pytest.mark.parametrize(("target", "slot"), [("a", "a"), (ANY, ANY)])
def test_queued(world: World, target: str, slot: str) -> None:
    job_id = world.create(target)
    world.clock.advance(1)
    assert world.jobs.cancel(job_id, "by ada") is True
    job = world.job(job_id)
    assert (job.status, job.cancel_requested, job.updated) == (JobStatus.CANCELLED, True, world.clock.now)
    assert job.timeline[-1].event == "cancelled"
    assert "by ada" in job.timeline[-1].message
    assert world.refused(job_id, slot, "a") == "cancelled"


def test_waiting_for_its_time(world: World) -> None:
    job_id = world.create("a", not_before=world.clock.after(10), expires_at=world.clock.after(100))
    assert world.jobs.cancel(job_id, "on request") is True
    world.clock.advance(200)
    assert world.promote() == []
    assert world.executions.expire(10) == 0
    assert world.state(job_id) is S.CANCELLED


@pytest.mark.parametrize("target", ["a", ANY])
def test_waiting_for_its_retry(world: World, target: str) -> None:
    job_id = world.create(target)
    world.retry_later(world.claim(job_id, target, "a"), 10)
    assert world.jobs.cancel(job_id, "on request") is True
    world.clock.advance(10)
    assert world.promote() == []
    x = world.execution(job_id)
    assert (x.state, x.attempt, x.duration) == (S.CANCELLED, 1, None)


@pytest.mark.parametrize("target", ["a", ANY])
def test_running(world: World, target: str) -> None:
    job_id = world.create(target)
    claim = world.claim(job_id, target, "a")
    assert world.jobs.cancel(job_id, "on request") is False
    assert world.job(job_id).cancel_requested
    assert world.job(job_id).status is JobStatus.PROCESSING
    assert world.jobs.cancel(job_id, "on request") is False
    assert world.executions.renew("a", [claim]) == [Renewal.CANCEL]
    assert world.finish(claim, S.CANCELLED, note="on request") is Finished.FINISHED
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_too_late_for_one_that_completes(world: World) -> None:
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    world.jobs.cancel(job_id, "on request")
    world.finish(claim)
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_a_broadcast_at_all_stages_at_once(world: World) -> None:
    world.register("d")
    job_id = world.create(ALL)
    running = world.claim(job_id, "a")
    world.run(job_id, "b")
    world.retry_later(world.claim(job_id, "c"), 60)
    assert world.jobs.cancel(job_id, "on request") is False
    states = {x.slot: x.state for x in world.job(job_id).executions}
    assert states == {"a": S.STARTED, "b": S.COMPLETED, "c": S.CANCELLED, "d": S.CANCELLED}
    world.finish(running, S.CANCELLED)
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_an_agent_that_dies_with_the_cancel_pending(world: World) -> None:
    """Whether it stopped in time is not known, so nothing claims that it did; and nothing runs it again."""
    job_id = world.create("a", is_idempotent=True, retries=RetryPolicy(5, 1.0, 1.0, 0.0))
    world.claim(job_id, "a")
    world.jobs.cancel(job_id, "on request")
    world.clock.advance(LEASE)
    assert world.executions.reap(10) == (0, 1)
    x = world.execution(job_id)
    assert x.state is S.LOST
    assert "cancel was pending" in (x.error or "")


def test_what_is_final_or_unknown(world: World) -> None:
    job_id = world.create("a")
    world.run(job_id, "a")
    with pytest.raises(JobFinal):
        world.jobs.cancel(job_id, "on request")
    assert not world.job(job_id).cancel_requested
    with pytest.raises(JobNotFound):
        world.jobs.cancel(str(uuid.uuid4()), "on request")
