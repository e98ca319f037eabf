"""Agents that race for one execution: exactly one wins. On a real Redis, with threads and with processes."""

from __future__ import annotations

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Barrier

import pytest

from jobqueue.ledger.executions import Claim, Finished
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests.ledger.rival import claim_all
from tests.ledger.world import World

pytestmark = pytest.mark.realredis


def test_processes_race_for_many_jobs(real_world: World, redis_url: str, rng: random.Random) -> None:
    world = real_world
    hosts = ("a", "b", "c")
    world.register(*hosts)
    job_ids = [world.create(ANY) for _ in range(300)]
    orders = [rng.sample(job_ids, len(job_ids)) for _ in hosts]
    with ProcessPoolExecutor(len(hosts), multiprocessing.get_context("spawn")) as pool:
        won = [pair for pairs in pool.map(claim_all, [redis_url] * 3, hosts, orders) for pair in pairs]
    assert sorted(job_id for job_id, _ in won) == sorted(job_ids)
    assert all(job.attempts == 1 for job in world.jobs.get_many(job_ids))
    assert world.stat("claims_refused") == 2 * len(job_ids)


@pytest.mark.parametrize("slot", ["a", ANY])
def test_threads_race_for_one_execution(real_world: World, slot: str) -> None:
    """The same message delivered four times at the same instant, 100 times over."""
    world, count = real_world, 4
    world.register("a", "b", "c", "d")
    with ThreadPoolExecutor(count) as pool:
        for _ in range(100):
            job_id, barrier = world.create(slot), Barrier(count)

            def race(number: int, job_id: str = job_id, barrier: Barrier = barrier) -> bool:
                barrier.wait()
                return isinstance(world.try_claim(job_id, slot, "a" if slot == "a" else "abcd"[number]), Claim)

            assert list(pool.map(race, range(count))).count(True) == 1
            assert world.execution(job_id).attempt == 1


def test_finish_races_with_the_reaper(real_world: World) -> None:
    """Either the result counts, or the execution is lost; never both."""
    world = real_world
    world.register("a")
    outcomes = set()
    with ThreadPoolExecutor(2) as pool:
        for number in range(100):
            claim = world.claim(world.create("a"), "a")
            world.clock.advance(60)
            barrier = Barrier(2)

            def finish(claim: Claim = claim, barrier: Barrier = barrier) -> Finished:
                barrier.wait()
                return world.finish(claim)

            def reap(barrier: Barrier = barrier) -> tuple[int, int]:
                barrier.wait()
                return world.executions.reap(10)

            first, second = (finish, reap) if number % 2 else (reap, finish)
            answers = [pool.submit(call) for call in (first, second)]
            finished, reaped = sorted((answer.result() for answer in answers), key=lambda x: isinstance(x, tuple))
            assert (finished, reaped) in ((Finished.FINISHED, (0, 0)), (Finished.STALE, (0, 1)))
            state = ExecutionState.COMPLETED if finished is Finished.FINISHED else ExecutionState.LOST
            assert world.state(claim.job_id) is state
            outcomes.add(state)
    assert outcomes


def test_cancel_races_with_claim(real_world: World) -> None:
    world = real_world
    world.register("a")
    with ThreadPoolExecutor(2) as pool:
        for _ in range(100):
            job_id, barrier = world.create(ANY), Barrier(2)

            def cancel(job_id: str = job_id, barrier: Barrier = barrier) -> bool:
                barrier.wait()
                return world.jobs.cancel(job_id, "on request")

            def claim(job_id: str = job_id, barrier: Barrier = barrier) -> Claim | None:
                barrier.wait()
                answer = world.try_claim(job_id, ANY, "a")
                return answer if isinstance(answer, Claim) else None

            ended, claimed = pool.submit(cancel), pool.submit(claim)
            assert ended.result() == (claimed.result() is None)
            assert world.job(job_id).cancel_requested
