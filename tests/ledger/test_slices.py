"""Cancels, deadlines and removals of broadcasts, in slices: what holds in between, and how they are completed."""

from __future__ import annotations

from collections import Counter

import pytest

from jobqueue.errors import JobNotFound, LedgerUnavailable
from jobqueue.ledger import jobs as jobs_module
from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.executions import Finished, Renewal
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.filter import JobFilter
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL
from tests.ledger import invariants
from tests.ledger.counting import commands_of, most_in_one_call
from tests.ledger.test_broadcast_index import as_before
from tests.ledger.world import LEASE, World

S = ExecutionState
HOSTS = tuple(f"h{number}" for number in range(7))


@pytest.fixture(autouse=True)
def _slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "SLICE", 2)
    world.register(*HOSTS)


def cancel_slice(world: World, job_id: str) -> str:
    """The first or next slice, by a caller that dies after it."""
    return str(world.ledger.scripts.call("cancel_job", world.clock(), job_id, "by ada", 2, ""))


def states(world: World, job_id: str) -> Counter[S]:
    return Counter(execution.state for execution in world.job(job_id).executions)


def check_in_between(world: World) -> None:
    """The records agree at every instant: counts, status and indexes are those of the executions."""
    invariants.check(world.client, world.ledger.keys)


def test_a_cancel_takes_slices_and_is_complete(world: World) -> None:
    job_id = world.create(ALL)
    world.clock.advance(1)
    assert world.jobs.cancel(job_id, "by ada") is True
    job = world.job(job_id)
    assert (job.status, job.updated) == (JobStatus.CANCELLED, world.clock.now)
    assert [event.message for event in job.timeline[1:]] == [f"Job cancelled on {host} (by ada)" for host in HOSTS]


def test_between_slices_no_execution_starts(world: World) -> None:
    job_id = world.create(ALL)
    running = world.claim(job_id, "h0")
    assert cancel_slice(world, job_id) == "more"
    check_in_between(world)
    assert world.refused(job_id, "h6") == "cancelled"
    assert world.job(job_id).cancel_requested
    assert states(world, job_id) == {S.STARTED: 1, S.CANCELLED: 2, S.SUBMITTED: 4}
    assert world.executions.renew("h0", [running]) == [Renewal.CANCEL]
    # a retry of what runs is not granted either
    assert world.retry_later(running, 1) is Finished.FINISHED
    check_in_between(world)
    assert world.ledger.jobs.finish_slices(1) == 1
    check_in_between(world)
    world.ledger.jobs.finish_slices(10)
    assert states(world, job_id) == {S.CANCELLED: 6, S.FAILED: 1}
    assert [event.note for event in world.execution(job_id, "h6").events] == ["by ada"]
    assert [event.note for event in world.execution(job_id, "h5").events] == ["by ada"]
    assert world.client.keys(world.ledger.keys.kind("cancelling")) == []
    assert world.jobs.finish_slices(10) == 0


def test_maintenance_completes_the_cancel_of_a_caller_that_lost_redis(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, call = world.create(ALL), world.ledger.scripts.call
    answers = iter(["first"])

    def once(verb: str, *arguments: str | int | float | bytes) -> object:
        if next(answers, None) is None:
            raise LedgerUnavailable("Redis is away")
        return call(verb, *arguments)

    monkeypatch.setattr(world.ledger.scripts, "call", once)
    assert world.jobs.cancel(job_id, "by ada") is False
    monkeypatch.undo()
    assert states(world, job_id)[S.SUBMITTED] == 5
    world.jobs.finish_slices(10)
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_a_second_cancel_goes_on(world: World) -> None:
    job_id = world.create(ALL)
    assert cancel_slice(world, job_id) == "more"
    assert world.jobs.cancel(job_id, "by bob") is True
    names = [event.message[-7:-1] for event in world.job(job_id).timeline[1:]]
    assert names == ["by ada"] * 2 + ["by bob"] * 5


def test_one_that_waits_for_its_retry_is_cancelled_too(world: World) -> None:
    job_id = world.create(ALL, retries=RetryPolicy(3, 1.0, 300.0, 0.0))
    world.retry_later(world.claim(job_id, "h5"), 60)
    assert cancel_slice(world, job_id) == "more"
    world.clock.advance(60)
    assert job_id in world.promote()
    assert world.refused(job_id, "h5") == "cancelled"
    assert world.jobs.cancel(job_id, "by ada") is True


def test_a_cancel_whose_note_is_lost_is_found_by_the_doctor(world: World) -> None:
    job_id = world.create(ALL)
    cancel_slice(world, job_id)
    world.client.delete(world.ledger.keys.kind("cancelling"))
    doctor = Doctor(world.ledger, repairs=True, lease_seconds=LEASE)
    assert [damage.text for damage in doctor.run()] == ["it was cancelled, and an execution still waits"]
    world.jobs.finish_slices(10)
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_a_damaged_execution_does_not_hold_up_maintenance(world: World) -> None:
    job_id = world.create(ALL)
    cancel_slice(world, job_id)
    world.client.set(world.ledger.keys.execution(job_id, "h4"), "spoiled")
    assert world.jobs.finish_slices(10) == 3
    assert world.client.exists(world.ledger.keys.kind("cancelling")) == 0
    list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run())
    world.client.delete(world.ledger.keys.kind("spoiled") + world.ledger.keys.execution(job_id, "h4"))


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_between_slices_of_a_deadline_no_execution_starts(world: World) -> None:
    job_id = world.create(ALL, expires_at=world.clock.after(10))
    world.clock.advance(20)
    assert world.executions.expire_slice(2) == (2, True)
    check_in_between(world)
    assert world.refused(job_id, "h6") == "expired"
    assert world.executions.expire_slice(4) == (4, True)
    check_in_between(world)
    world.executions.expire_slice(4)
    assert states(world, job_id) == {S.EXPIRED: 7}
    assert world.job(job_id).status is JobStatus.FAILED


def test_a_retry_behind_the_slices_expires_too(world: World) -> None:
    job_id = world.create(ALL, expires_at=world.clock.after(10), retries=RetryPolicy(3, 1.0, 300.0, 0.0))
    claim = world.claim(job_id, "h0")
    world.clock.advance(12)
    world.executions.renew("h0", [claim])
    assert world.executions.expire_slice(4) == (3, True)
    world.retry_later(claim, 0)
    while world.executions.expire_slice(2)[1]:
        check_in_between(world)
    assert states(world, job_id) == {S.EXPIRED: 7}


# --- removal ----------------------------------------------------------------------------------------------------------


def _ended(world: World) -> str:
    job_id = world.create(ALL)
    for host in HOSTS:
        world.run(job_id, host)
    return job_id


@pytest.mark.parametrize("is_of_before", [False, True])
def test_a_deleted_broadcast_is_gone_at_once_and_its_records_soon(world: World, is_of_before: bool) -> None:
    for host in HOSTS:
        world.run(world.create(host), host)  # so that every index exists
    kept = set(world.client.keys("*"))
    job_id = _ended(world)
    if is_of_before:
        as_before(world, job_id)
    assert world.ledger.scripts.call("delete_job", job_id, "") == "removing"
    with pytest.raises(JobNotFound):
        world.job(job_id)
    assert job_id not in [job.id for job in world.jobs.page(JobFilter(limit=100, hostname="h3")).items]
    assert list(Doctor(world.ledger, repairs=False, lease_seconds=LEASE).run()) == []
    assert world.jobs.finish_slices(2) == 2
    assert world.jobs.finish_slices(10) == 2
    assert {name for name in set(world.client.keys("*")) - kept if job_id in name} == set()
    world.run(world.create("h0"), "h0")


def test_a_removed_job_that_runs_does_not_come_back(world: World) -> None:
    job_id = world.create(ALL)
    running, late = world.claim(job_id, "h6"), world.claim(job_id, "h5")
    assert world.ledger.scripts.call("delete_job", job_id, "1") == "removing"
    assert world.refused(job_id, "h4") == "unknown"
    assert world.finish(running) is Finished.UNKNOWN
    assert world.client.exists(world.ledger.keys.job(job_id)) == 0
    world.jobs.finish_slices(10)
    assert world.executions.renew("h5", [late]) == [Renewal.STALE]


def test_a_removal_whose_note_is_lost_is_found_by_the_doctor(world: World) -> None:
    job_id = _ended(world)
    world.ledger.scripts.call("delete_job", job_id, "")
    world.client.delete(world.ledger.keys.kind("removals"))
    kinds = {damage.kind for damage in Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()}
    assert "removal" in kinds
    world.jobs.finish_slices(10)
    assert [name for name in world.client.keys("*") if job_id in name] == []


def test_pruning_is_bounded_by_slices(world: World) -> None:
    for _ in range(3):
        _ended(world)
    world.clock.advance(100)
    assert world.jobs.prune(10, 5) == 5  # the first takes four slices, the second one
    world.jobs.finish_slices(10)
    assert world.jobs.prune(10, 5) == 4
    assert world.jobs.prune(10, 5) == 0


# --- the bound --------------------------------------------------------------------------------------------------------


@pytest.mark.realredis
def test_no_call_grows_with_the_broadcast(real_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world, most = real_world, []
    monkeypatch.setattr(jobs_module, "SLICE", 20)
    for hosts in (40, 160):
        world.register(*(f"host{number}" for number in range(hosts)))
        cancelled, late = world.create(ALL), world.create(ALL, expires_at=world.clock.after(10))
        world.clock.advance(11)
        with most_in_one_call(world.client, world.ledger.scripts) as counted:
            world.jobs.cancel(cancelled, "ada")
            while world.executions.expire_slice(20)[1]:
                pass
            for job_id in (cancelled, late):
                world.jobs.delete(job_id)
        most.append(counted.most)
        assert counted.calls > 4 * hosts // 20
    assert most[0] == most[1] < 20 * 8


@pytest.mark.realredis
def test_the_watch_looks_at_waiting_jobs_at_a_fixed_cost(real_world: World) -> None:
    world, ran = real_world, []
    for hosts in (20, 120):
        world.register(*(f"host{number}" for number in range(hosts)))
        job_id = world.create(ALL)
        watch = Watch(world.ledger, LEASE)
        watch.waiting_jobs(10)  # loads the scripts
        ran.append(commands_of(world.client, lambda watch=watch: watch.waiting_jobs(10)))
        world.jobs.cancel(job_id, "ada")
    assert ran[0] == ran[1] < 15
