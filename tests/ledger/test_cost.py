"""What an execution costs Redis: a number of commands and of their words, which no busy machine changes.

Reading one more field of a record takes half as long as one more short command.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobqueue.ledger.executions import Claim, Finished, Report
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.counting import commands_of, words_of
from tests.ledger.world import World

F = Finished
S = ExecutionState


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
    assert commands <= 27
    assert words <= 186
    for claim in others:
        world.finish(claim)
    assert world.job(job_id).status == JobStatus.COMPLETED


@pytest.mark.realredis
def test_a_job_for_one_host(real_world: World) -> None:
    world = real_world
    world.register("a")
    commands = commands_of(world.client, _running(world, world.create("a"), "a"))
    words = words_of(world.client, _running(world, world.create("a"), "a"))
    assert commands <= 42
    assert words <= 248


@pytest.mark.realredis
def test_several_executions_in_one_round_trip(real_world: World) -> None:
    world = real_world
    world.register("a")

    def run(jobs: list[str]) -> None:
        wanted = [(job_id, "a", f"token-{job_id}") for job_id in jobs]
        claims = [claim for claim in world.executions.claim_each("a", wanted) if isinstance(claim, Claim)]
        assert world.executions.report_each([Report(claim, S.COMPLETED, "{}") for claim in claims]) == [F.FINISHED] * 8

    run([world.create("a") for _ in range(8)])
    jobs = [world.create("a") for _ in range(8)]
    assert commands_of(world.client, lambda: run(jobs)) <= 259
    jobs = [world.create("a") for _ in range(8)]
    assert words_of(world.client, lambda: run(jobs)) <= 1560


@pytest.mark.realredis
@pytest.mark.parametrize(("target", "most_commands", "most_words"), [("a", 19, 136), (ANY, 18, 132)])
def test_a_submission(real_world: World, target: str, most_commands: int, most_words: int) -> None:
    world = real_world
    world.register("a")
    world.create(target)
    job = world.new_job(target)
    assert commands_of(world.client, lambda: world.new_jobs.create(job, world.template)) <= most_commands
    job = world.new_job(target, title="words")
    assert words_of(world.client, lambda: world.new_jobs.create(job, "")) <= most_words
