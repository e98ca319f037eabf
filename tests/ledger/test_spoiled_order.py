"""Members and times of lists that all agents' users may write.

What one of them spoils is mended by maintenance, or found and repaired by the doctor; then the jobs of others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.executions import Claim
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.rollout import Rollout
from tests.ledger.clock import FakeClock
from tests.ledger.world import LEASE, World

#: A time that no script sets.
_FAR = 9e15
_KEY = Concurrency("deploy")


@pytest.fixture
def fleet(client: redis.Redis, clock: FakeClock) -> World:
    world = World(client, clock)
    world.register("a", "b")
    return world


def examine(world: World, *, repairs: bool = False) -> list[str]:
    return [damage.key for damage in Doctor(world.ledger, repairs=repairs, lease_seconds=LEASE).run()]


def maintain(world: World) -> None:
    """Several rounds of all services that move jobs."""
    for _ in range(5):
        world.clock.advance(30)
        world.register("a", "b")
        world.promote()
        world.executions.reap(100)
        world.executions.expire(100)
        world.executions.advance_lines(100)
        world.executions.return_parked(100, world.template)
        for due in world.ledger.rollouts.due(10):
            world.ledger.rollouts.open(due, world.template)
        for slot in ("a", "b"):
            world.reconcile(slot)


def _in_line(world: World) -> str:
    """A job that waits for the key of another, which runs."""
    holder, job_id = (world.create("a", concurrency=_KEY) for _ in range(2))
    claim = world.claim(holder, "a")
    assert world.refused(job_id, "a") == "concurrency"
    world.lose_messages("a")
    world.finish(claim)
    return job_id


def _strange_holders(world: World) -> str:
    running = world.create("b")
    world.claim(running, "b")
    world.client.zadd("jobqueue:holders:deploy", {running: 1, "9" * 36: 2})
    return world.create("a", concurrency=_KEY)


def _holders_of_a_host(world: World) -> str:
    running = world.create("b")
    world.claim(running, "b")
    world.client.zadd("jobqueue:holders:{}{a}", {f"{running}:b": _FAR, f"{'9' * 36}:a": _FAR})
    job_id = world.create("a", concurrency=Concurrency("{host}"))
    assert world.refused(job_id, "a") == "concurrency"
    return job_id


def _late_line(world: World) -> str:
    job_id = _in_line(world)
    world.client.zadd("jobqueue:lines", {"deploy": _FAR})
    return job_id


def _out_of_line(world: World) -> str:
    job_id = _in_line(world)
    world.client.zrem("jobqueue:line:deploy", job_id)
    return job_id


def _not_parked(world: World) -> str:
    pause = Pause("0badcafe", PauseKind.EVERYTHING, "", "x", created=1, created_by="a", hosts=0)
    world.ledger.pauses.add(pause)
    job_id = world.create("a")
    assert world.refused(world.pop("a"), "a") == "paused"
    world.client.zrem("jobqueue:parked:pause:0badcafe", f"{job_id}:a")
    world.ledger.pauses.end(pause.id)
    return job_id


def _spoiled(key: str, member: str, target: str = "a", *, is_running: bool = False, **options: Any) -> Any:
    def spoil(world: World, time: float | None) -> str:
        given = {name: value(world) if callable(value) else value for name, value in options.items()}
        job_id = world.create(target, is_idempotent=True, **given)
        if is_running:
            world.claim(job_id, "a")
        if time is None:
            world.client.zrem(f"jobqueue:{key}", member.format(job_id))
        else:
            world.client.zadd(f"jobqueue:{key}", {member.format(job_id): time})
        return job_id

    return spoil


def _soon(world: World) -> int:
    return world.clock.now + 1_000_000


_ROLLOUT = Rollout.read({"batch": 1, "pause_seconds": 1})
_TIMES = {
    "due": _spoiled("due", "{}:a", not_before=_soon),
    "leases": _spoiled("leases", "{}:a", is_running=True),
    "deadlines": _spoiled("deadlines", "{}", expires_at=_soon),
    "opening": _spoiled("opening", "{}", "_all", rollout=_ROLLOUT),
}


@pytest.mark.parametrize("spoil", [_strange_holders, _holders_of_a_host, _late_line], ids=lambda one: one.__name__)
def test_maintenance_lets_a_job_go_on(fleet: World, spoil: Callable[[World], str]) -> None:
    job_id = spoil(fleet)
    maintain(fleet)
    assert isinstance(fleet.try_claim(job_id, "a"), Claim)
    assert examine(fleet) == []


@pytest.mark.parametrize("spoil", [_out_of_line, _not_parked], ids=lambda one: one.__name__)
def test_what_waits_nowhere_is_published_again(fleet: World, spoil: Callable[[World], str]) -> None:
    job_id = spoil(fleet)
    examine(fleet, repairs=True)
    maintain(fleet)
    assert isinstance(fleet.try_claim(job_id, "a"), Claim)
    assert examine(fleet) == []


@pytest.mark.parametrize("time", [_FAR, None])
@pytest.mark.parametrize("kind", _TIMES)
def test_the_doctor_finds_and_repairs_a_time(fleet: World, kind: str, time: float | None) -> None:
    job_id = _TIMES[kind](fleet, time)
    assert examine(fleet) == [f"jobqueue:job:{job_id}"]
    examine(fleet, repairs=True)
    assert examine(fleet) == []
