"""Jobs whose data holds further operations: pauses, rates and the choice of agents look at each of them."""

from __future__ import annotations

import pytest

from jobqueue.errors import NoLiveAgent
from jobqueue.ledger import measures
from jobqueue.ledger.doctor import Doctor
from jobqueue.model.filter import JobFilter
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.rate import Rate
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY
from jobqueue.services.fleet import FleetReader
from tests.ledger.world import LEASE, World

WHOLE, SHELL, PING = "op.whole", "op.shell", "net.ping"
ALL_OF_THEM = (WHOLE, SHELL, PING)


def create(world: World, target: str = ANY, *inner: str, **options: object) -> str:
    return world.create(target, operation=WHOLE, inner_operations=inner, **options)


def pause(world: World, value: str, **more: object) -> None:
    world.ledger.pauses.add(Pause("00000001", PauseKind.OPERATION, value, "why", created_by="alice", **more))


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (SHELL, True),
        ("net.*", True),
        (WHOLE, True),
        ("op.*", True),
        ("op.shel", False),
        ("ne.*", False),
        ("x.y", False),
    ],
)
def test_a_pause_of_an_operation_within(world: World, value: str, held: bool) -> None:
    world.register("a", operations=ALL_OF_THEM)
    job_id = create(world, "a", PING, SHELL)
    pause(world, value)
    if not held:
        world.claim(job_id, "a")
        return
    assert world.refused(job_id, "a") == "paused"
    world.ledger.pauses.end("00000001")
    world.executions.return_parked(500, world.template)
    world.claim(world.pop("a"), "a")
    assert world.state(job_id) is ExecutionState.STARTED


def test_a_rate_of_an_operation_within(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    first, second, other = create(world, "a", SHELL), create(world, "a", SHELL), create(world, "a", PING)
    pause(world, SHELL, rate=Rate.parse("1/m"))
    world.claim(first, "a")
    assert world.refused(second, "a") == "paused"
    world.claim(other, "a")


def test_what_is_stored_is_what_is_read(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    assert world.job(create(world, "a", PING, SHELL)).inner_operations == (PING, SHELL)
    assert world.job(create(world, "a")).inner_operations == ()


def test_any_agent_is_one_that_supports_all(world: World) -> None:
    world.register("a", "b", operations=(WHOLE, PING))
    world.register("c", operations=ALL_OF_THEM)
    assert world.execution(create(world, ANY, SHELL, PING)).slot == "c"
    assert world.execution(create(world, ANY, PING)).slot == ANY  # all of them may take it
    assert world.execution(create(world, ANY, SHELL, only=("a", "c"))).slot == "c"


def test_without_an_agent_that_supports_all(world: World) -> None:
    world.register("a", operations=(WHOLE, PING))
    with pytest.raises(NoLiveAgent, match=f"No agent supports '{SHELL}'"):
        create(world, ANY, PING, SHELL)
    world.register("b", operations=(WHOLE, SHELL))
    with pytest.raises(NoLiveAgent, match="No agent that takes work"):
        create(world, ANY, PING, SHELL)


def test_an_agent_that_joined_later_leaves_it_to_others(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    job_id = create(world, ANY, SHELL)
    world.register("b", operations=(WHOLE,))
    assert world.refused(job_id, ANY, "b") == "unsupported"
    world.clock.advance(2)
    world.executions.promote(10, world.template)
    world.claim(job_id, ANY, "a")


def test_a_job_that_waits_for_an_agent(world: World) -> None:
    world.register("a", operations=(WHOLE,))
    job_id = create(world, ANY, SHELL, is_placed=False)
    assert world.executions.place(job_id, None, ("a",), world.template) == []
    world.register("b", operations=(WHOLE, SHELL))
    world.executions.place(job_id, None, ("a", "b"), world.template)
    assert world.execution(job_id).slot == "b"


def listed(world: World, operation: str, **more: object) -> list[str]:
    return [job.id for job in world.jobs.page(JobFilter(operation=operation, **more)).items]


def test_a_list_by_operation_finds_jobs_with_such_a_step(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    job_id = create(world, "a", PING, SHELL)
    alone = world.create("a", operation=PING)
    assert set(listed(world, PING)) == {job_id, alone}
    assert listed(world, SHELL) == listed(world, WHOLE) == [job_id]
    world.run(job_id, "a")
    assert listed(world, SHELL, status=JobStatus.COMPLETED) == [job_id]
    assert listed(world, SHELL, status=JobStatus.COMPLETED, hostname="a") == [job_id]
    assert listed(world, SHELL, status=JobStatus.SUBMITTED) == []
    world.jobs.delete(job_id)
    assert listed(world, SHELL) == []
    assert not list(world.client.scan_iter("*index:step:*"))


def test_steps_are_not_counted_as_jobs_of_their_operations(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    create(world, "a", PING, SHELL)
    summary = FleetReader(world.ledger.fleet, world.ledger.agents).summary
    jobs = measures.read(world.ledger, ALL_OF_THEM, summary).jobs
    assert (jobs[WHOLE, JobStatus.SUBMITTED], jobs[PING, JobStatus.SUBMITTED]) == (1, 0)


def test_a_damaged_index_of_steps(world: World) -> None:
    world.register("a", operations=ALL_OF_THEM)
    job_id = create(world, "a", PING, SHELL)
    (key,) = world.client.scan_iter(f"*index:step:{SHELL}|*")
    world.client.zrem(key, job_id)
    for repairs in (False, True):
        assert listed(world, SHELL) == []
        (damage,) = Doctor(world.ledger, repairs=repairs, lease_seconds=LEASE).run()
        assert "index" in str(damage)
    assert listed(world, SHELL) == [job_id]
