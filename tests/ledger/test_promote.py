"""Publishing what has become due."""

from __future__ import annotations

from jobqueue.model.target import ALL, ANY
from tests.ledger.world import World


def test_not_before(world: World) -> None:
    world.register("a", "b")
    late = world.create(ANY, not_before=world.clock.after(20))
    soon = world.create(ALL, not_before=world.clock.after(10), priority=9)
    world.clock.advance(9.9)
    assert world.promote() == []
    world.clock.advance(0.1)
    assert world.promote() == [soon, soon]
    assert world.queued("a") == world.queued("b") == [soon]
    assert world.messages("a")[0]["properties"]["priority"] == 0
    world.clock.advance(10)
    assert world.promote() == [late]
    assert world.queued(ANY) == [late]
    world.run(late, ANY, "a")


def test_in_steps_earliest_first(world: World) -> None:
    world.register("a")
    jobs = [world.create("a", not_before=world.clock.after(seconds)) for seconds in (3, 1, 2)]
    world.clock.advance(5)
    taken = [due.job_id for _ in range(4) for due in world.executions.promote(1, world.template)[1]]
    assert taken == [jobs[1], jobs[2], jobs[0]]
    assert world.queued("a") == taken


def test_a_due_execution_has_all_fields_of_its_message(world: World) -> None:
    world.register("a")
    job_id = world.create("a", priority=2)
    world.retry_later(world.claim(job_id, "a"), 1)
    world.clock.advance(1)
    _, [due] = world.executions.promote(10, "")
    assert (due.job_id, due.slot, due.priority, due.attempt) == (job_id, "a", 2, 2)


def test_a_job_for_an_offline_agent_is_published_for_its_return(world: World) -> None:
    world.register("a")
    world.leave("a")
    job_id = world.create("a", not_before=world.clock.after(1))
    world.clock.advance(1)
    assert world.promote() == [job_id]
    world.register("a")
    world.run(world.pop("a"), "a")
