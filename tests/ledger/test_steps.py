"""Jobs whose data holds further operations: pauses, rates and the choice of agents look at each of them."""

from __future__ import annotations

import pytest

from jobqueue.errors import NoLiveAgent
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.rate import Rate
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests.ledger.world import World

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
