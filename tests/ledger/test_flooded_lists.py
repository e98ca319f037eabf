"""Lists that agents' users may add to, with thousands of entries of jobs that do not exist in front of a real one.

Maintenance removes them one full step after the other, without the pause between two steps.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
import redis

from jobqueue.dispatch.sender import Sender
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.rollout import Rollout
from tests.ledger.clock import FakeClock
from tests.ledger.world import World, settings
from workers.maintenance import services
from workers.maintenance.services import STEP

#: More than two steps of each service.
_JUNK = 2 * STEP + 50


@pytest.fixture
def world(client: redis.Redis, clock: FakeClock) -> World:
    world = World(client, clock)
    world.register("a", "b")
    return world


def _due(world: World) -> str:
    return world.create("a", not_before=world.clock.after(1))


def _expires(world: World) -> str:
    return world.create("a", expires_at=world.clock.after(1))


def _rollout(world: World) -> str:
    return world.create("_all", rollout=Rollout.read({"batch": 1}))


def _ended(world: World) -> str:
    job_id = world.create("a")
    world.finish(world.claim(job_id, "a"))
    return job_id


def _running(world: World) -> str:
    job_id = world.create("a")
    world.claim(job_id, "a")
    return job_id


def _in_line(world: World) -> str:
    world.claim(world.create("a", concurrency=Concurrency("k")), "a")
    return world.create("a", concurrency=Concurrency("k"))


#: key -> (the service, the job that is behind the others, members of jobs that do not exist)
_LISTS: dict[str, tuple[Callable[[Ledger], services.Service], Callable[[World], str], str]] = {
    "due": (lambda ledger: services.Promoter(ledger, Sender(settings())), _due, "{}:a"),
    "deadlines": (services.Expirer, _expires, "{}"),
    "opening": (lambda ledger: services.Opener(ledger, Sender(settings())), _rollout, "{}"),
    "finished": (lambda ledger: services.Pruner(ledger, 1), _ended, "{}"),
    "leases": (lambda ledger: services.Reaper(ledger, 0), _running, "{}:a"),
    "lines": (services.LineKeeper, _in_line, "{}"),
}


@pytest.mark.parametrize("kind", _LISTS)
def test_entries_of_no_job_hold_up_no_other(world: World, kind: str) -> None:
    make, submit, member = _LISTS[kind]
    job_id = submit(world)
    key = world.ledger.keys.kind(kind)
    entries = [entry for entry in world.client.zrange(key, 0, -1) if kind == "lines" or job_id in entry]
    assert entries
    world.client.zadd(key, {member.format(uuid.uuid4()): 1 for _ in range(_JUNK)})
    world.clock.advance(60)
    service = make(world.ledger)
    steps = 0
    while service.run_once() >= STEP:  # the next one follows at once
        steps += 1
        assert steps < _JUNK, "these steps do not end"
    left = world.client.zrange(key, 0, -1)
    assert len(left) <= len(entries), "what is left waits for the pause between two steps"
    assert all(world.client.zscore(key, entry) != 1 for entry in left)
