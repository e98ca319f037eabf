"""Names of the caller's: an alias stands for one job, and a name held exclusively for one that has not ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from jobqueue.errors import AliasTaken, ExclusiveHeld, JobNotFound
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests.ledger.world import World

STRANGE = ["x", "a b", "é/ü?#%", "'\"\\", "a:b|c\n", "x" * 200]


@pytest.mark.parametrize("alias", STRANGE)
def test_a_job_is_found_by_its_alias_and_by_its_id(world: World, alias: str) -> None:
    world.register("a")
    job_id = world.create("a", alias=alias)
    other = world.create("a")
    assert world.jobs.find(alias) == world.jobs.find(job_id) == job_id
    assert world.jobs.find(other) == other
    with pytest.raises(JobNotFound, match="nobody"):
        world.jobs.find("nobody")


def test_an_alias_belongs_to_one_job_until_that_is_deleted(world: World) -> None:
    world.register("a")
    first = world.create("a", alias="nightly")
    with pytest.raises(AliasTaken, match="nightly") as caught:
        world.create("a", alias="nightly")
    assert caught.value.details == {"job_id": first}
    assert world.queued("a") == [first]
    world.finish(world.claim(first, "a"), ExecutionState.COMPLETED)
    with pytest.raises(AliasTaken):  # also when it has ended: its record is still there
        world.create("a", alias="nightly")
    world.jobs.delete(first)
    with pytest.raises(JobNotFound):
        world.jobs.find("nightly")
    assert world.create("a", alias="nightly") == world.jobs.find("nightly")


def test_the_id_of_another_job_is_no_alias(world: World) -> None:
    world.register("a")
    first = world.create("a")
    with pytest.raises(AliasTaken) as caught:
        world.create("a", alias=first)
    assert caught.value.details == {"job_id": first}
    assert world.jobs.find(first) == first


def test_pruning_frees_it_too(world: World) -> None:
    world.register("a")
    first = world.create("a", alias="nightly", exclusive="backup")
    world.finish(world.claim(first, "a"), ExecutionState.COMPLETED)
    world.clock.advance(100)
    assert world.jobs.prune(60, 10) == 1
    world.create("a", alias="nightly", exclusive="backup")


def test_concurrent_submissions_under_one_alias_make_one_job(world: World) -> None:
    world.register("a")
    barrier = Barrier(4)

    def submit() -> str | None:
        barrier.wait()
        try:
            return world.create(ANY, alias="once")
        except AliasTaken:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(submit) for _ in range(4)]]
    assert len([job_id for job_id in made if job_id]) == 1


def test_a_name_is_held_until_the_job_has_ended(world: World) -> None:
    world.register("a", "b")
    first = world.create("a", exclusive="backup")
    for _ in range(2):
        with pytest.raises(ExclusiveHeld, match="backup") as caught:
            world.create("b", exclusive="backup")
        assert caught.value.details == {"job_id": first}
        if world.state(first) is ExecutionState.SUBMITTED:
            claim = world.claim(first, "a")
    world.create("b", exclusive="other")
    world.finish(claim, ExecutionState.FAILED)
    second = world.create("b", exclusive="backup")
    world.jobs.delete(first)  # which does not free what the second holds
    with pytest.raises(ExclusiveHeld, match=second):
        world.create("a", exclusive="backup")
    world.jobs.cancel(second, "by a test")
    third = world.create("a", exclusive="backup")
    world.jobs.cancel(third, "by a test")
    world.jobs.delete(third)
    world.create("a", exclusive="backup")


def test_an_answer_that_was_lost_is_given_again(world: World) -> None:
    """The same job comes again under its own id: its own names are no conflict."""
    world.register("a")
    new = world.new_job("a", alias="x", exclusive="y")
    world.new_jobs.create(new, world.template)
    again = world.new_jobs.create(new, world.template)
    assert again.accepted.job_id == new.id
    assert world.queued("a") == [new.id]


def test_of_many_in_one_call_one_gets_the_name(world: World) -> None:
    world.register("a")
    answers = world.new_jobs.create_many([world.new_job("a", alias="x") for _ in range(3)], world.template)
    assert [type(answer).__name__ for answer in answers] == ["Stored", "AliasTaken", "AliasTaken"]
