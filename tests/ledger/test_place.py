"""A job that no agent could run when it was accepted waits, and is given to one agent when there is one."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.ledger.due import Due
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY, UNPLACED
from tests.ledger.test_doctor import examine
from tests.ledger.world import LIVE, World


def waiting_job(world: World, **options: Any) -> str:
    return world.create(ANY, is_placed=False, **options)


def place(world: World, job_id: str, *hosts: str, not_before: int | None = None) -> list[Due]:
    return world.executions.place(job_id, not_before, hosts, world.template)


def waiting_ids(world: World) -> list[str]:
    return [job_id for job_id, _ in world.jobs.unplaced(float("-inf"), 100)]


def test_it_waits_without_a_message(world: World) -> None:
    job_id = waiting_job(world)  # there is no agent at all
    job = world.job(job_id)
    assert (job.status, job.target, job.expected_agents) == (JobStatus.SUBMITTED, ANY, ())
    (execution,) = job.executions
    assert (execution.slot, execution.hostname, execution.state) == (UNPLACED, "", ExecutionState.SUBMITTED)
    assert world.messages(UNPLACED) == world.messages(ANY) == []
    assert waiting_ids(world) == [job_id]
    world.register("a")
    world.clock.advance(100)
    assert world.promote() == world.reconcile(UNPLACED, limit=0) == world.reconcile(ANY) == []
    for slot, host in ((ANY, "a"), (UNPLACED, "a"), ("a", "a")):
        assert world.refused(job_id, slot, host) in ("foreign", "unknown", "submitted")


def test_it_runs_exactly_once_on_the_agent_that_it_is_given_to(world: World) -> None:
    job_id = waiting_job(world, priority=7)
    world.register("a", "b")
    assert place(world, job_id, "b") == [Due(job_id, "b", 7, 1)]
    assert place(world, job_id, "a") == []  # another copy of maintenance
    assert waiting_ids(world) == []
    assert (world.queued("a"), world.queued("b")) == ([], [job_id])
    assert world.pop("b") == job_id
    world.run(job_id, "b")
    assert place(world, job_id, "a", "b") == []
    job = world.job(job_id)
    assert (job.status, job.attempts, [x.hostname for x in job.executions]) == (JobStatus.COMPLETED, 1, ["b"])


def test_it_goes_to_the_least_busy_that_takes_work(world: World) -> None:
    job_id = waiting_job(world)
    world.register("a", "b", "busy")
    world.register("other", operations=("op.y",))
    world.create("busy")
    world.agents.drain("a")
    assert place(world, job_id, "a", "other", "unknown") == []
    assert waiting_ids(world) == [job_id]
    assert [due.slot for due in place(world, job_id, "a", "other", "busy", "b")] == ["b"]


def test_an_agent_that_is_offline_is_not_chosen(world: World) -> None:
    world.register("a")
    world.clock.advance(LIVE + 1)
    job_id = waiting_job(world)
    assert place(world, job_id, "a") == []
    world.register("a")
    assert len(place(world, job_id, "a")) == 1


def test_a_time_before_which_it_must_not_start_holds(world: World) -> None:
    start = world.clock.after(60)
    job_id = waiting_job(world, not_before=start)
    world.register("a")
    assert place(world, job_id, "a", not_before=start) == []
    assert (world.queued("a"), waiting_ids(world)) == ([], [])
    world.clock.advance(61)
    assert world.promote() == [job_id]
    assert world.queued("a") == [job_id]


def test_it_is_cancelled_and_deleted(world: World) -> None:
    job_id = waiting_job(world, alias="name")
    assert world.jobs.cancel(job_id, "ann") is True
    assert world.job(job_id).timeline[-1].message == "Job cancelled before an agent took it up (ann)"
    world.register("a")
    assert waiting_ids(world) == place(world, job_id, "a") == []
    world.jobs.delete(job_id)
    assert waiting_job(world, alias="name")


def test_it_expires(world: World) -> None:
    job_id = waiting_job(world, expires_at=world.clock.after(10))
    world.clock.advance(11)
    assert world.executions.expire(10) == 1
    assert world.job(job_id).executions[0].state is ExecutionState.EXPIRED
    assert waiting_ids(world) == []


def test_a_failure_is_tried_again_where_it_ran(world: World) -> None:
    job_id = waiting_job(world, retries=RetryPolicy(3, 1, 1, 0))
    world.register("a")
    place(world, job_id, "a")
    world.retry_later(world.claim(job_id, world.pop("a") and "a"), 1)
    world.clock.advance(2)
    assert world.promote() == [job_id]
    world.run(job_id, "a")
    assert world.job(job_id).attempts == 2


def test_those_that_follow_it_see_where_it_went(world: World) -> None:
    job_id = waiting_job(world)
    assert world.executions.peek(job_id, UNPLACED) == (UNPLACED, ExecutionState.SUBMITTED)
    world.register("a")
    place(world, job_id, "a")
    assert world.executions.peek(job_id, UNPLACED) == world.executions.peek(job_id, ANY) == ("a", "submitted")


def test_pages_of_those_that_wait_begin_with_the_oldest(world: World) -> None:
    ids = [waiting_job(world) for _ in range(5)]
    first = world.jobs.unplaced(float("-inf"), 2)
    assert [job_id for job_id, _ in first] == ids[:2]
    assert [job_id for job_id, _ in world.jobs.unplaced(first[-1][1], 100)] == ids[2:]


@pytest.mark.parametrize("is_due", [False, True])
def test_one_that_was_lost_from_its_list_comes_back(world: World, is_due: bool) -> None:
    job_id = waiting_job(world)
    world.client.delete(world.ledger.keys.waiting(UNPLACED))
    if is_due:
        world.client.zadd(world.ledger.keys.kind("due"), {f"{job_id}:{UNPLACED}": 1})
    else:
        assert examine(world, repairs=True)
    world.promote()
    assert world.messages(UNPLACED) == []
    assert waiting_ids(world) == [job_id]
    assert examine(world) == []


def test_within_one_call_others_are_placed_at_once(world: World) -> None:
    world.register("a")
    jobs = [world.new_job(ANY), world.new_job(ANY, is_placed=False), world.new_job(ANY)]
    stored = world.new_jobs.create_many(jobs, "")
    assert [getattr(one, "unsent", None) for one in stored] == [(ANY,), (), (ANY,)]
    assert [world.execution(job.id).slot for job in jobs] == [ANY, UNPLACED, ANY]
