"""What an execution costs Redis: a number of commands and of their words, which no busy machine changes.

Reading one more field of a record takes half as long as one more short command.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobqueue.model.states import JobStatus
from jobqueue.model.target import ALL
from tests.ledger.counting import commands_of, words_of
from tests.ledger.world import World


def _running(world: World, job_id: str, host: str) -> Callable[[], object]:
    return lambda: world.run(job_id, host)


@pytest.mark.realredis
def test_an_execution_of_a_broadcast(real_world: World) -> None:
    world, hosts = real_world, [f"host{number}" for number in range(6)]
    world.register(*hosts)
    job_id = world.create(ALL)
    world.run(job_id, hosts[0])
    others = [world.claim(job_id, host) for host in hosts[3:]]  # they run meanwhile
    commands = commands_of(world.client, _running(world, job_id, hosts[1]))
    words = words_of(world.client, _running(world, job_id, hosts[2]))
    assert commands <= 28
    assert words <= 190
    for claim in others:
        world.finish(claim)
    assert world.job(job_id).status == JobStatus.COMPLETED


@pytest.mark.realredis
def test_a_job_for_one_host(real_world: World) -> None:
    world = real_world
    world.register("a")
    commands = commands_of(world.client, _running(world, world.create("a"), "a"))
    words = words_of(world.client, _running(world, world.create("a"), "a"))
    assert commands <= 43
    assert words <= 252
