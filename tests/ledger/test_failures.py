"""What failed lately, from a bounded number of jobs and executions."""

from __future__ import annotations

import pytest

from jobqueue.ledger import failures
from jobqueue.model.states import ExecutionState
from tests.ledger.world import World

S = ExecutionState


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b", "c")


def fail(world: World, job_id: str, hostname: str, note: str) -> None:
    world.finish(world.claim(job_id, hostname), S.FAILED, note=note)


def found(world: World, seconds: float = 3600) -> tuple[list[tuple[str, str, str]], bool]:
    listed, is_complete = world.ledger.failures.since(world.clock.after(-seconds))
    return [(one.job_id, one.hostname, one.error) for one in listed], is_complete


def test_what_failed_newest_jobs_first(world: World) -> None:
    first = world.create("a", title="Deploy")
    fail(world, first, "a", "exit code 3")
    world.clock.advance(10)
    second = world.create("_all")
    fail(world, second, "b", "no | space")
    world.finish(world.claim(second, "a"))
    assert found(world) == ([(first, "a", "exit code 3")], True)  # a job is listed once it has ended
    fail(world, second, "c", "")
    assert found(world) == ([(second, "b", "no | space"), (second, "c", "failed"), (first, "a", "exit code 3")], True)
    titles = {one.job_id: one.title for one in world.ledger.failures.since(0)[0]}
    assert titles == {first: "Deploy", second: ""}
    assert found(world, seconds=5) == (found(world)[0][:2], True)


def test_lost_and_expired_count_as_failed(world: World) -> None:
    lost = world.create("a")
    world.claim(lost, "a")
    world.clock.advance(20)
    world.executions.reap(10)
    expired = world.create("b", expires_at=world.clock.after(1))
    world.clock.advance(2)
    world.executions.expire(10)
    world.finish(world.claim(world.create("c"), "c"))
    listed, _ = found(world)
    assert [(job_id, hostname) for job_id, hostname, _ in listed] == [(expired, "b"), (lost, "a")]
    assert listed[0][2] == "not started before its deadline"
    assert listed[1][2]


def test_what_one_call_examines_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [world.create("_all") for _ in range(3)]
    for job_id in jobs:
        for hostname in "abc":
            fail(world, job_id, hostname, "e")
        world.clock.advance(1)
    monkeypatch.setattr(failures, "MOST_EXECUTIONS", 4)
    assert found(world) == ([(jobs[2], host, "e") for host in "abc"] + [(jobs[1], "a", "e")], False)
    monkeypatch.setattr(failures, "MOST_EXECUTIONS", 9)
    assert found(world)[1] is True
    monkeypatch.setattr(failures, "MOST_JOBS", 2)
    assert found(world) == ([(job_id, host, "e") for job_id in reversed(jobs[1:]) for host in "abc"], False)


def test_a_damaged_record_hides_no_other(world: World) -> None:
    first, second = world.create("a"), world.create("b")
    fail(world, first, "a", "e")
    world.clock.advance(1)
    fail(world, second, "b", "e")
    key = f"{world.ledger.keys.kind('exec')}b:{second}"
    whole = world.client.hgetall(key)
    world.client.delete(key)
    world.client.set(key, "text")
    assert found(world) == ([(first, "a", "e")], True)
    world.client.delete(key)
    world.client.hset(key, mapping={"state": "failed", "events": "1", "e1": "no event"})
    assert found(world) == ([(second, "b", ""), (first, "a", "e")], True)
    world.client.hset(key, mapping=whole)
