"""A job with one execution has the status that the rule for all jobs derives from that execution."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobqueue.model.states import ExecutionState, JobStatus, derive_status
from jobqueue.model.target import ANY
from tests.ledger.world import LEASE, World

S = ExecutionState


def _finished(world: World, slot: str, state: ExecutionState) -> str:
    job_id = world.create(slot)
    world.finish(world.claim(job_id, slot, "a"), state, note="why")
    return job_id


def _retried(world: World, slot: str) -> str:
    job_id = world.create(slot)
    world.retry_later(world.claim(job_id, slot, "a"), 5)
    return job_id


def _started(world: World, slot: str) -> str:
    job_id = world.create(slot)
    world.claim(job_id, slot, "a")
    return job_id


def _expired(world: World, slot: str) -> str:
    job_id = world.create(slot, expires_at=world.clock.after(5))
    world.clock.advance(6)
    assert world.refused(job_id, slot, "a") == "expired"
    return job_id


def _lost(world: World, slot: str) -> str:
    job_id = _started(world, slot)
    world.clock.advance(LEASE + 1)
    assert world.executions.reap(10) == (0, 1)
    return job_id


WAYS: dict[ExecutionState, Callable[[World, str], str]] = {
    S.SUBMITTED: _retried,
    S.STARTED: _started,
    S.COMPLETED: lambda world, slot: _finished(world, slot, S.COMPLETED),
    S.FAILED: lambda world, slot: _finished(world, slot, S.FAILED),
    S.SKIPPED: lambda world, slot: _finished(world, slot, S.SKIPPED),
    S.CANCELLED: lambda world, slot: _finished(world, slot, S.CANCELLED),
    S.EXPIRED: _expired,
    S.LOST: _lost,
}


def test_every_state_that_is_left_has_a_way() -> None:
    assert set(S) - set(WAYS) == {S.ACKNOWLEDGED}  # an external run's; an agent's is started in the same step


@pytest.mark.parametrize("slot", ["a", ANY])
@pytest.mark.parametrize("state", WAYS)
def test_the_status_follows_the_execution(world: World, state: ExecutionState, slot: str) -> None:
    world.register("a")
    job_id = WAYS[state](world, slot)
    job = world.job(job_id)
    assert (job.status, dict(job.counts)) == (derive_status({state: 1}), {state: 1})
    listed = {status: world.client.zscore(world.ledger.keys.index("all", "", status), job_id) for status in JobStatus}
    assert {status for status, score in listed.items() if score is not None} == {job.status}


@pytest.mark.parametrize("options", [{}, {"expires_at": 10**16 // 5}])
def test_jobs_of_versions_before_lack_the_mark_of_plain_jobs(world: World, options: dict[str, int]) -> None:
    world.register("a")
    job_id = world.create("a", **options)
    key = world.ledger.keys.job(job_id)
    assert world.client.hexists(key, "plain") == (not options)
    world.client.hdel(key, "plain")
    world.run(job_id, "a")
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert world.client.zscore(world.ledger.keys.kind("deadlines"), job_id) is None
