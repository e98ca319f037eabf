"""A job for any agent that keeps to some of them."""

from __future__ import annotations

import pytest

from jobqueue.errors import NoLiveAgent
from jobqueue.model.target import ANY
from tests.ledger.world import LIVE, World


def slot(world: World, job_id: str) -> str:
    return world.execution(job_id).slot


def test_it_goes_to_one_of_them(world: World) -> None:
    world.register("a", "b", "c")
    assert {slot(world, world.create(ANY, only=("b",))) for _ in range(5)} == {"b"}
    assert slot(world, world.create(ANY)) == ANY


def test_it_goes_to_the_least_busy(world: World) -> None:
    world.register("a", "b", "c")
    for _ in range(6):
        world.create(ANY, only=("a", "b"))
    assert (len(world.queued("a")), len(world.queued("b")), len(world.queued("c"))) == (3, 3, 0)


def test_those_that_cannot_run_it_do_not_count(world: World) -> None:
    world.register("a", "b")
    world.register("c", operations=("op.y",))
    world.agents.drain("a")
    assert slot(world, world.create(ANY, only=("a", "b", "c", "unknown"))) == "b"
    with pytest.raises(NoLiveAgent):
        world.create(ANY, only=("a", "c", "unknown"))


def test_one_that_is_offline_is_waited_for_with_a_deadline(world: World) -> None:
    world.register("a", "b")
    world.clock.advance(LIVE + 1)
    world.register("a")
    with pytest.raises(NoLiveAgent, match="b"):
        world.create(ANY, only=("b",))
    assert slot(world, world.create(ANY, only=("b",), expires_at=world.clock.after(60))) == "b"


def test_within_one_call_others_are_not_kept_to_it(world: World) -> None:
    world.register("a", "b")
    jobs = [world.new_job(ANY), world.new_job(ANY, only=("b",)), world.new_job(ANY)]
    world.new_jobs.create_many(jobs, world.template)
    assert [slot(world, job.id) for job in jobs] == [ANY, "b", ANY]
