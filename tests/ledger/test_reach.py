"""The preview of a target agrees with what the ledger then does."""

from __future__ import annotations

import random

import pytest

from jobqueue.errors import JobQueueError
from jobqueue.model.agent import AgentState
from jobqueue.model.target import ANY, Target
from jobqueue.services.target_preview import reach
from tests.ledger.world import OPERATION, World


def a_fleet(world: World, rng: random.Random) -> None:
    for host in "abcdef":
        operations = (OPERATION,) if rng.random() < 0.8 else ("op.other",)
        world.register(host, labels={"group": rng.choice(("web.dev", "web.prod", "db"))}, operations=operations)
    for host in "abcdef":
        if rng.random() < 0.25:
            world.leave(host)
        is_ready = world.agents.get(host).state is AgentState.READY
        if is_ready and rng.random() < 0.25:
            world.agents.drain(host)
        elif not is_ready and rng.random() < 0.5:
            world.agents.undrain(host)


@pytest.mark.parametrize(
    "target", ["_any", "_all", "group:web", "group:web.dev", "group:db", "group:none", "a", "nobody"]
)
def test_the_ledger_agrees_with_the_preview(world: World, rng: random.Random, target: str) -> None:
    for _ in range(12):
        a_fleet(world, rng)
        preview = reach(world.agents.all(), OPERATION, Target.parse(target))
        try:
            job = world.job(world.create(target))
        except JobQueueError:
            assert not preview.takes
            continue
        takes = {agent.hostname for agent in preview.takes}
        assert takes
        slots = {execution.slot for execution in job.executions}
        if target == ANY:
            assert slots <= takes | {ANY}
        else:
            assert slots == takes
