"""The ledger counts what it does: how many, how long they waited, how long they ran."""

from __future__ import annotations

from jobqueue.ledger import measures
from jobqueue.model.measures import OTHER, Measures
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS
from jobqueue.model.target import ANY
from jobqueue.services.fleet import FleetReader
from tests.ledger.world import OPERATION, World


def read(world: World) -> Measures:
    return measures.read(world.ledger, [OPERATION], FleetReader(world.ledger.fleet, world.ledger.agents).summary)


def bucket(seconds: float) -> int:
    return next((number for number, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))


def test_an_empty_ledger_counts_nothing(world: World) -> None:
    found = read(world)
    assert set(found.jobs.values()) == {0}
    assert (found.submitted, found.ended, found.waits, found.runs, found.pulses) == ({}, {}, {}, {}, ())
    assert [(backlog.queue, backlog.waiting) for backlog in found.backlogs] == [(ANY, 0)]


def test_a_wait_and_a_run_are_counted_in_their_buckets(world: World) -> None:
    world.register("a")
    job = world.new_jobs.create(world.new_job("a"), world.template).accepted.job_id
    world.clock.advance(2)
    claim = world.claim(job, "a")
    world.clock.advance(7)
    world.executions.finish(claim, ExecutionState.COMPLETED, out="{}")
    found = read(world)
    for distribution, seconds in ((found.waits[OPERATION], 2), (found.runs[OPERATION], 7)):
        assert round(distribution.total_seconds, 3) == seconds
        assert [n for n, count in enumerate(distribution.counts) if count] == [bucket(seconds)]
        assert distribution.cumulated[-1] == ("+Inf", 1.0)
        assert dict(distribution.cumulated)["1.0"] == 0.0
    assert found.submitted == {OPERATION: 1}
    assert found.ended == {(OPERATION, ExecutionState.COMPLETED): 1}
    assert found.jobs[OPERATION, JobStatus.COMPLETED] == 1


def test_what_takes_longer_than_the_last_bucket_is_counted_behind_it(world: World) -> None:
    world.register("a")
    job = world.new_jobs.create(world.new_job("a"), world.template).accepted.job_id
    claim = world.claim(job, "a")
    world.clock.advance(BUCKETS[-1] + 1)
    world.executions.finish(claim, ExecutionState.FAILED, note="no")
    assert read(world).runs[OPERATION].counts[-1] == 1


def test_a_retry_is_counted_and_its_run_only_once_it_is_over(world: World) -> None:
    world.register("a")
    job = world.new_jobs.create(
        world.new_job("a", retries=RetryPolicy(3, 0.0, 0.0, 0.0)), world.template
    ).accepted.job_id
    claim = world.claim(job, "a")
    world.executions.finish(claim, ExecutionState.FAILED, note="no", retry_in=0.0, retry_note="again")
    found = read(world)
    assert (found.retried, found.ended, found.runs, found.scheduled) == ({OPERATION: 1}, {}, {}, 1)


def test_how_long_a_lost_execution_ran_is_not_guessed(world: World) -> None:
    world.register("a")
    job = world.new_jobs.create(world.new_job("a"), world.template).accepted.job_id
    world.claim(job, "a")
    assert read(world).running == 1
    world.clock.advance(1000)
    world.executions.reap(10, world.ledger.time())
    found = read(world)
    assert found.ended == {(OPERATION, ExecutionState.LOST): 1}
    assert (found.runs, found.running, found.counters["leases_lost"]) == ({}, 0, 1)


def test_a_broadcast_counts_each_of_its_executions(world: World) -> None:
    world.register("a", "b", "c")
    job = world.new_jobs.create(world.new_job("_all"), world.template).accepted.job_id
    world.jobs.cancel(job, "me")
    found = read(world)
    assert found.submitted == {OPERATION: 3}
    assert found.ended == {(OPERATION, ExecutionState.CANCELLED): 3}


def test_depth_and_age_of_each_queue(world: World) -> None:
    world.register("a", "b")
    for target in ("a", "a", ANY):
        world.new_jobs.create(world.new_job(target), world.template)
        world.clock.advance(3)
    found = {backlog.queue: (backlog.waiting, round(backlog.oldest_seconds)) for backlog in read(world).backlogs}
    assert found == {ANY: (1, 3), "a": (2, 9), "b": (0, 0)}


def test_agents_by_sign_of_life(world: World) -> None:
    world.register("a", "b")
    world.agents.drain("b")
    world.clock.advance(4)
    world.leave("a")
    found = {pulse.hostname: pulse for pulse in read(world).pulses}
    assert (found["a"].live, found["a"].state) == (False, "Ready")
    assert (found["b"].live, found["b"].state) == (True, "Draining")
    assert round(found["b"].age_seconds) == 4


def test_jobs_of_unknown_operations_are_counted_together(world: World) -> None:
    world.register("a", operations=(OPERATION, "op.y", "op.z"))
    for operation in (OPERATION, "op.y", "op.z"):
        world.new_jobs.create(world.new_job("a", operation=operation), world.template)
    found = read(world)
    assert found.jobs[OPERATION, JobStatus.SUBMITTED] == 1
    assert found.jobs[OTHER, JobStatus.SUBMITTED] == 2


def test_more_agents_than_one_pipeline_asks_about(world: World) -> None:
    names = [f"h{number}" for number in range(600)]
    world.register(*names)
    found = read(world)
    assert sorted(pulse.hostname for pulse in found.pulses) == sorted(names)
    assert len(found.backlogs) == 601
