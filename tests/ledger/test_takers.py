"""A job for any agent goes to the shared queue exactly if all of its readers can run the job, at a fixed cost."""

from __future__ import annotations

import random

import pytest

from jobqueue.errors import JobQueueError, NoLiveAgent
from jobqueue.ledger.doctor import Doctor
from jobqueue.model.target import ANY
from tests.ledger import invariants
from tests.ledger.counting import commands_of
from tests.ledger.world import HEARTBEAT, LEASE, LIVE, World

HOSTS = ("a", "b", "c", "d", "e")
OPERATIONS = (("op.x", "op.y"), ("op.x",), ("op.y",))


class Fleet:
    """Agents as the test knows them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.operations: dict[str, tuple[str, ...]] = {}
        self.away: set[str] = set()
        self.live_until: dict[str, int] = {}

    def register(self, host: str, operations: tuple[str, ...]) -> None:
        self.world.register(host, operations=operations)
        self.operations[host] = operations
        self.beat(host)

    def beat(self, host: str) -> None:
        self.live_until[host] = self.world.clock.now + int(LIVE * 1_000_000)

    def expected(self, operation: str, patient: bool) -> set[str]:
        """The slots that are right: the rule itself, over all agents."""
        takers = self.operations.keys() - self.away
        live = {host for host in takers if self.live_until[host] > self.world.clock.now}
        able = {host for host in live if operation in self.operations[host]}
        readers = live
        if patient and not able:
            readers = takers
            able = {host for host in takers if operation in self.operations[host]}
        return {ANY} if able and able == readers else able

    def step(self, rng: random.Random) -> None:
        host = rng.choice(HOSTS)
        step = rng.choice(("register", "drain", "undrain", "leave", "wait", "wait", "forget"))
        try:
            if step == "register":
                self.register(host, rng.choice(OPERATIONS))
            elif step == "drain":
                self.world.agents.drain(host)
                self.away.add(host)
            elif step == "undrain":
                self.world.agents.undrain(host)
                self.away.discard(host)
            elif step == "leave" and host in self.operations:
                self.world.leave(host)
                self.live_until[host] = self.world.clock.now
            elif step == "wait":
                self.world.clock.advance(rng.choice((1, HEARTBEAT, LIVE)))
            elif step == "forget":
                self.world.agents.forget(host)
                del self.operations[host], self.live_until[host]
                self.away.discard(host)
        except JobQueueError:
            pass  # the fleet did not change: the agent is unknown, live, busy, or drained already


def slot_of(world: World, operation: str, patient: bool) -> str | None:
    options = {"expires_at": world.clock.after(1000)} if patient else {}
    try:
        job_id = world.create(ANY, operation=operation, **options)
    except NoLiveAgent:
        return None
    slot = world.execution(job_id).slot
    world.jobs.cancel(job_id, "the test")
    world.jobs.delete(job_id)
    world.lose_messages(slot)
    return slot


def test_every_fleet_against_the_rule(world: World, rng: random.Random) -> None:
    fleet = Fleet(world)
    for _ in range(120):
        fleet.step(rng)
        operation, patient = rng.choice(("op.x", "op.y", "op.none")), rng.random() < 0.3
        expected = fleet.expected(operation, patient)
        found = slot_of(world, operation, patient)
        assert found in expected if expected else found is None, (operation, patient, expected, found)
        invariants.check(world.client, world.ledger.keys)


@pytest.mark.realredis
@pytest.mark.parametrize("case", ["all take work", "one is drained", "one misses the operation", "most are drained"])
def test_the_cost_does_not_grow_with_the_fleet(real_world: World, case: str) -> None:
    world, ran = real_world, []
    for number in range(300):
        if number in (60, 299):
            ran.append(commands_of(world.client, lambda: world.create(ANY)))
        operations = ("op.y",) if case == "one misses the operation" and number == 3 else ("op.x", "op.y")
        world.register(f"h{number}", operations=operations)
        if (case == "one is drained" and number == 7) or (case == "most are drained" and number % 10):
            world.agents.drain(f"h{number}")
    # the number of commands is that of a sample, at most
    assert ran[1] < ran[0] + 100
    assert ran[1] < 250


@pytest.mark.parametrize("kind", ["profiles", "profile", "takers"])
def test_lost_lists_refuse_no_job_and_are_restored(world: World, kind: str) -> None:
    world.register("a", "b")
    world.client.delete(*world.client.keys(world.ledger.keys.kind(kind) + "*"))
    world.create(ANY)
    assert list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
    world.agents.muster(10)
    assert list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()) == []
    assert world.execution(world.create(ANY)).slot == ANY


def test_after_an_upgrade_all_are_listed_at_once(world: World) -> None:
    """The version before kept no lists by profile."""
    world.register("a", "b", "c")
    world.agents.drain("c")
    for kind in ("profiles", "profile", "takers"):
        world.client.delete(*world.client.keys(world.ledger.keys.kind(kind) + "*"))
    for host in ("a", "b", "c"):
        world.client.hdel(world.ledger.keys.kind("roster") + host, "profile")
    world.agents.muster_all()
    assert world.agents.muster(10) == 3
    invariants.check(world.client, world.ledger.keys)
    assert world.execution(world.create(ANY)).slot == ANY
