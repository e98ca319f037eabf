"""Jobs of many hosts: created in slices, opened in slices."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from jobqueue.errors import JobQueueError, NoLiveAgent, PlanChanged, UnknownTarget
from jobqueue.ledger import scripts, staging
from jobqueue.ledger.new_jobs import Stored
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, Target, TargetKind
from tests.ledger.world import World

S = ExecutionState
HOSTS = tuple(f"h{number}" for number in range(8))


@pytest.fixture
def fleet(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A fleet of eight, of which a call opens three."""
    monkeypatch.setattr(staging, "SLICE", 3)
    monkeypatch.setattr(staging, "OPENED", 3)
    monkeypatch.setattr(scripts, "LARGE_JOB", 3)
    world.register(*HOSTS, labels={"group": "web"})
    return World(world.client, world.clock)


def opened(world: World, job_id: str) -> list[str]:
    """The hosts whose queues hold the job's message."""
    return [host for host in HOSTS if world.queued(host) == [job_id]]


def test_a_large_broadcast_reaches_every_host_once(fleet: World) -> None:
    for target in (ALL, "group:web"):
        job_id = fleet.create(target)
        job = fleet.job(job_id)
        assert job.expected_agents == HOSTS
        assert opened(fleet, job_id) == list(HOSTS)
        assert not any(x.held_by for x in job.executions)
        for host in HOSTS[:3]:
            fleet.run(job_id, host)
        fleet.jobs.cancel(job_id, "on request")
        assert fleet.job(job_id).status is JobStatus.CANCELLED
        for host in HOSTS:
            fleet.lose_messages(host)
        fleet.jobs.delete(job_id)


def test_an_api_that_dies_before_it_has_opened_all_loses_nothing(fleet: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(type(fleet.ledger.rollouts), "open_all", lambda *_: ())
        job_id = fleet.create(ALL)
    assert opened(fleet, job_id) == []
    assert all(x.held_by for x in fleet.job(job_id).executions)
    assert fleet.refused(job_id, HOSTS[7]) == "unknown"
    assert fleet.ledger.rollouts.due(10) == [job_id]
    assert fleet.ledger.rollouts.open(job_id, fleet.template)[0] == "more"
    assert opened(fleet, job_id) == list(HOSTS[:3])
    fleet.run(job_id, HOSTS[0])
    while fleet.ledger.rollouts.due(10):
        fleet.ledger.rollouts.open(job_id, fleet.template)
    assert opened(fleet, job_id) == list(HOSTS)


@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_what_is_not_open_ends_with_the_job(fleet: World, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(fleet.ledger.rollouts), "open_all", lambda *_: ())
    job_id = fleet.create(ALL, expires_at=fleet.clock.after(60))
    fleet.ledger.rollouts.open(job_id, fleet.template)
    claim = fleet.claim(job_id, HOSTS[1])
    if how == "cancelled":
        assert fleet.jobs.cancel(job_id, "by ada") is False
    else:
        fleet.clock.advance(61)
        while fleet.executions.expire(100):
            pass
    job = fleet.job(job_id)
    assert {x.state for x in job.executions if x.slot != HOSTS[1]} == {S(how)}
    assert job.status is JobStatus.PROCESSING
    assert fleet.ledger.rollouts.open(job_id, fleet.template) == ("", [])
    assert fleet.ledger.rollouts.due(10) == []
    fleet.finish(claim)
    assert fleet.job(job_id).status is (JobStatus.CANCELLED if how == "cancelled" else JobStatus.PARTIAL_FAILURE)
    fleet.jobs.delete(job_id)


def test_hosts_that_take_no_work_are_left_out(fleet: World) -> None:
    fleet.agents.drain(HOSTS[5])
    fleet.leave(HOSTS[6])
    assert set(HOSTS) - set(fleet.job(fleet.create(ALL)).expected_agents) == {HOSTS[5], HOSTS[6]}
    patient = fleet.create(ALL, expires_at=fleet.clock.after(60))
    assert set(HOSTS) - set(fleet.job(patient).expected_agents) == {HOSTS[5]}


def test_the_refusals_are_those_of_small_jobs(fleet: World) -> None:
    fleet.leave(*HOSTS)
    with pytest.raises(NoLiveAgent, match="h0"):
        fleet.create(ALL)
    with pytest.raises(UnknownTarget, match="group:db"):
        fleet.create("group:db")


def test_an_idempotency_key_returns_the_first_job(fleet: World) -> None:
    first = fleet.store(ALL, idempotency_key="k", digest="ab")
    again = fleet.store(ALL, idempotency_key="k", digest="ab")
    assert (again.accepted.job_id, again.accepted.replayed) == (first.accepted.job_id, True)
    with pytest.raises(JobQueueError, match="differs"):
        fleet.store(ALL, idempotency_key="k", digest="cd")


def test_a_batch_of_submissions_keeps_its_order(fleet: World) -> None:
    new = [fleet.new_job(target) for target in (HOSTS[3], ALL, "nohost", "group:web")]
    answers = fleet.new_jobs.create_many(new, fleet.template)
    assert [isinstance(answer, Stored) for answer in answers] == [True, True, False, True]
    assert [answer.accepted.job_id for answer in answers if isinstance(answer, Stored)] == [
        new[place].id for place in (0, 1, 3)
    ]


def test_a_job_for_later_is_published_when_it_is_due(fleet: World) -> None:
    job_id = fleet.create(ALL, not_before=fleet.clock.after(10))
    assert opened(fleet, job_id) == []
    fleet.clock.advance(11)
    while fleet.promote():
        pass
    assert opened(fleet, job_id) == list(HOSTS)


def test_a_staged_list_expires(fleet: World) -> None:
    listing = staging.Staging(fleet.client, fleet.ledger.keys, fleet.ledger.scripts, fleet.clock)
    assert listing.stage("j", HOSTS, patient=False) == []
    key = fleet.ledger.keys.kind("staged") + "j"
    # a call is repeated whose answer was lost
    assert fleet.ledger.scripts.call("stage_hosts", fleet.clock(), "j", "", 300_000, 6, *HOSTS[6:]) == []
    assert fleet.client.lrange(key, 0, -1) == list(HOSTS)
    assert 0 < fleet.client.pttl(key) <= 300_000
    fleet.client.delete(key)


@pytest.mark.realredis
def test_no_call_grows_with_the_fleet(real_world: World) -> None:
    hosts = [f"h{number:03}" for number in range(scripts.LARGE_JOB + 1)]
    real_world.register(*hosts)
    job_id = real_world.create(ALL)
    assert real_world.client.hget(real_world.ledger.keys.job(job_id), "opened") == str(len(hosts))
    assert real_world.job(job_id).expected_agents == tuple(hosts)
    real_world.agents.drain(hosts[0])
    real_world.leave(hosts[0])
    small = real_world.create(ALL, only=tuple(hosts[1:]))
    assert len(real_world.job(small).executions) == len(hosts) - 1


def test_a_large_job_for_planned_hosts_goes_to_all_of_them_or_none(fleet: World) -> None:
    planned = replace(
        fleet.new_job(ALL, among=HOSTS, only=HOSTS), target=Target(TargetKind.PLANNED, "h*"), id=str(uuid.uuid4())
    )
    fleet.leave(HOSTS[1], HOSTS[6])
    with pytest.raises(PlanChanged) as raised:
        fleet.new_jobs.create(planned, fleet.template)
    assert raised.value.details == {"added": [], "removed": [HOSTS[1], HOSTS[6]]}
    assert opened(fleet, planned.id) == []
    fleet.register(HOSTS[1], HOSTS[6], labels={"group": "web"})
    fleet.new_jobs.create(planned, fleet.template)
    assert fleet.job(planned.id).expected_agents == HOSTS
    assert opened(fleet, planned.id) == list(HOSTS)
