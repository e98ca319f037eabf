"""The rate of a rollout: in no period do more executions start than it allows, whenever the agents come."""

from __future__ import annotations

import random

import pytest

from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.executions import Claim, Refusal
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL
from tests.ledger.clock import SECOND
from tests.ledger.servers import on_real_servers
from tests.ledger.world import LEASE, World

pytestmark = on_real_servers

HOSTS = tuple(f"h{number:02}" for number in range(24))
#: Seconds between two rounds of maintenance.
TICK = 0.1


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register(*HOSTS)


def start(world: World, rate: str) -> str:
    job_id = world.create(ALL, rollout=Rollout.read({"rate": rate}))
    maintain(world)
    return job_id


def maintain(world: World) -> None:
    world.promote()
    for job_id in world.ledger.rollouts.due(10):
        world.ledger.rollouts.open(job_id, world.template)


def claim_all(world: World, job_id: str, hosts: tuple[str, ...] = HOSTS) -> list[str]:
    """Each agent takes the message in its queue, if there is one; returns those that started."""
    started = []
    for host in hosts:
        if job_id in world.queued(host):
            world.pop(host)
            answer = world.try_claim(job_id, host)
            assert isinstance(answer, Claim) or (isinstance(answer, Refusal) and answer.state == "rate")
            if isinstance(answer, Claim):
                world.finish(answer)
                started.append(host)
    return started


def most_in(starts: list[int], seconds: int) -> int:
    """The most starts in any period of so many seconds."""
    return max(sum(1 for other in starts if 0 <= other - start < seconds * SECOND) for start in starts)


def run_to_end(world: World, job_id: str, *, most_seconds: float, tick: float = TICK) -> list[int]:
    """The times of all starts."""
    starts: list[int] = []
    for _ in range(int(most_seconds / tick)):
        starts += [world.clock.now] * len(claim_all(world, job_id))
        if len(starts) == len(HOSTS):
            return starts
        world.clock.advance(tick)
        maintain(world)
    raise AssertionError(f"{len(starts)} of {len(HOSTS)} started")


@pytest.mark.parametrize(
    ("rate", "number", "seconds", "most_seconds"),
    [("5/s", 5, 1, 8), ("1/s", 1, 1, 30), ("20/s", 20, 1, 5), ("20/m", 20, 60, 120), ("1000/s", 1000, 1, 1)],
)
def test_no_period_has_more_starts(world: World, rate: str, number: int, seconds: int, most_seconds: float) -> None:
    job_id = start(world, rate)
    starts = run_to_end(world, job_id, most_seconds=most_seconds, tick=max(TICK, seconds / 60))
    assert most_in(starts, seconds) <= number
    assert world.job(job_id).status is JobStatus.COMPLETED


def test_agents_that_come_late_do_not_start_together(world: World) -> None:
    job_id = start(world, "5/s")
    world.clock.advance(60)
    world.register(*HOSTS)
    starts = run_to_end(world, job_id, most_seconds=8)
    assert most_in(starts, 1) <= 5


def test_what_was_put_off_and_comes_late_is_counted_anew(world: World) -> None:
    rng = random.Random(5)
    job_id = start(world, "4/s")
    starts: list[int] = []
    for _ in range(400):
        # a part of the agents is busy, and takes its message later
        awake = tuple(host for host in HOSTS if rng.random() < 0.2)
        starts += [world.clock.now] * len(claim_all(world, job_id, awake))
        world.clock.advance(TICK)
        if len(starts) == len(HOSTS):
            break
        world.register(*HOSTS)
        maintain(world)
    assert len(starts) == len(HOSTS)
    assert most_in(starts, 1) <= 4


def test_what_waits_says_so(world: World) -> None:
    job_id = start(world, "1/s")
    assert claim_all(world, job_id) == ["h00"]
    held = {x.slot: x.held_by for x in world.job(job_id).executions}
    assert held == {"h00": "", **dict.fromkeys(HOSTS[1:], "rate")}
    assert world.stat("starts_put_off") == len(HOSTS) - 1
    # each is offered again at a time of its own: not all at once
    world.clock.advance(1)
    maintain(world)
    assert [host for host in HOSTS if job_id in world.queued(host)] == ["h01"]
    assert claim_all(world, job_id) == ["h01"]
    assert world.job(job_id).executions[1].held_by == ""
    assert list(Doctor(world.ledger, repairs=False, lease_seconds=LEASE).run()) == []


def test_cancelled_while_it_waits(world: World) -> None:
    job_id = start(world, "1/h")
    claim_all(world, job_id)
    world.jobs.cancel(job_id, "by ada")
    job = world.job(job_id)
    assert [x.state for x in job.executions].count(ExecutionState.CANCELLED) == len(HOSTS) - 1
    assert {x.held_by for x in job.executions} == {""}
    assert list(Doctor(world.ledger, repairs=False, lease_seconds=LEASE).run()) == []


def test_a_clock_that_goes_back_holds_nothing_up(world: World) -> None:
    job_id = start(world, "2/s")
    claim_all(world, job_id)
    world.clock.advance(-3600)
    assert isinstance(world.try_claim(job_id, "h05"), Refusal)
    world.clock.advance(1)
    assert isinstance(world.try_claim(job_id, "h23"), (Claim, Refusal))


def test_a_rate_that_was_altered_starts_nothing_faster(world: World) -> None:
    job_id = start(world, "1/h")
    world.client.hset(world.ledger.keys.job(job_id), "rate", "x")
    assert claim_all(world, job_id) == []


def test_the_scripts_cost_nothing_without_a_rate(world: World) -> None:
    job_id = world.create(ALL)
    assert world.client.hget(world.ledger.keys.job(job_id), "rate") is None
    world.run(job_id, "h00")
    assert world.client.hget(world.ledger.keys.job(job_id), "full_at") is None
