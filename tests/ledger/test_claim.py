"""Taking executions up: at most one claim of an attempt succeeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from jobqueue.errors import LedgerRefuses, RecordAltered
from jobqueue.ledger.executions import Claim, Finished, Refusal, Report
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.servers import REAL
from tests.ledger.world import LEASE, World


@pytest.fixture
def job_id(world: World) -> str:
    """A job for host a."""
    world.register("a", "b")
    return world.create("a")


def test_a_claim_returns_what_to_run(world: World, job_id: str) -> None:
    world.clock.advance(2)
    claim = world.claim(job_id, "a", token="t1")
    assert (claim.job_id, claim.hostname, claim.token, claim.attempt) == (job_id, "a", "t1", 1)
    assert json.loads(claim.document) == {"operation": "op.x", "data": {"n": 1}, "target": "a"}
    job, x = world.job(job_id), world.execution(job_id)
    assert (job.status, job.updated) == (JobStatus.PROCESSING, world.clock.now)
    assert (x.state, x.attempt, x.started) == (ExecutionState.STARTED, 1, world.clock.now)
    assert [(e.event, e.hostname) for e in job.timeline] == [
        ("submitted", "_api"), ("acknowledged", "a"), ("started", "a"),
    ]  # fmt: skip
    [(member, until)] = world.client.zrange(world.ledger.keys.kind("leases"), 0, -1, withscores=True)
    assert (member, int(until)) == (f"{job_id}:a", world.clock.after(LEASE))


def test_a_start_moves_a_job_in_the_index_of_all_jobs_only(world: World, job_id: str) -> None:
    index = world.ledger.keys.index
    world.claim(job_id, "a")
    assert world.client.zrange(index("all", "", "processing"), 0, -1) == [job_id]
    for dim, value in (("op", "op.x"), ("target", "a"), ("host", "a")):
        assert world.client.zrange(index(dim, value, "submitted"), 0, -1) == [job_id]
        assert not world.client.exists(index(dim, value, "processing"))


def test_a_second_message_is_refused(world: World, job_id: str) -> None:
    world.claim(job_id, "a")
    assert world.refused(job_id, "a") == "started"
    assert world.stat("claims_refused") == 1


def test_a_message_for_an_ended_execution_is_refused(world: World, job_id: str) -> None:
    world.run(job_id, "a")
    assert world.refused(job_id, "a") == "completed"


def test_the_same_claim_again_gets_the_same_answer(world: World, job_id: str) -> None:
    """The first answer was lost on the way."""
    first = world.claim(job_id, "a", token="t1")
    before = world.job(job_id)
    world.clock.advance(1)
    assert world.claim(job_id, "a", token="t1") == first
    assert world.job(job_id) == before
    assert world.refused(job_id, "a", token="t2") == "started"


def test_the_same_claim_again_renews_the_lease(world: World, job_id: str) -> None:
    """The agent counts the lease from its last request on: one that ends earlier would end under a run."""
    world.claim(job_id, "a", token="t1")
    world.clock.advance(LEASE - 1)
    world.claim(job_id, "a", token="t1")
    world.clock.advance(LEASE - 1)
    assert world.executions.reap(10) == (0, 0)
    assert world.refused(job_id, "a", token="t2") == "started"
    world.clock.advance(2)
    assert world.executions.reap(10) == (0, 1)
    assert world.refused(job_id, "a", token="t1") == "lost"


def test_the_same_claim_again_after_the_end_is_refused(world: World, job_id: str) -> None:
    claim = world.run(job_id, "a")
    assert world.refused(job_id, "a", token=claim.token) == "completed"


def test_unknown_and_deleted_jobs(world: World, job_id: str) -> None:
    world.run(job_id, "a")
    world.jobs.delete(job_id)
    assert world.refused(job_id, "a") == "unknown"
    assert world.refused(job_id, ANY, "a") == "unknown"


def test_another_agents_execution_is_refused(world: World, job_id: str) -> None:
    assert world.refused(job_id, "a", "b") == "foreign"
    assert world.refused(job_id, "b") == "unknown"
    assert world.refused(job_id, ANY, "b") == "submitted"
    world.run(job_id, "a")


def test_each_agent_of_a_broadcast_has_its_own(world: World, job_id: str) -> None:
    broadcast = world.create(ALL)
    first, second = world.claim(broadcast, "a", token="same"), world.claim(broadcast, "b", token="same")
    assert world.finish(first) is Finished.FINISHED
    assert world.job(broadcast).status is JobStatus.PROCESSING
    assert world.finish(second) is Finished.FINISHED
    assert world.job(broadcast).status is JobStatus.COMPLETED


class TestAny:
    @pytest.fixture
    def any_id(self, world: World, job_id: str) -> str:
        return world.create(ANY)

    def test_it_belongs_to_the_agent_that_claims_it(self, world: World, any_id: str) -> None:
        world.claim(any_id, ANY, "b")
        x = world.execution(any_id)
        assert (x.slot, x.hostname, x.state) == ("b", "b", ExecutionState.STARTED)
        assert world.job(any_id).expected_agents == ("b",)

    def test_a_second_message_is_refused(self, world: World, any_id: str) -> None:
        world.claim(any_id, ANY, "b")
        assert world.refused(any_id, ANY, "a") == "started"
        assert world.refused(any_id, ANY, "b") == "started"

    def test_the_same_claim_again_gets_the_same_answer(self, world: World, any_id: str) -> None:
        first = world.claim(any_id, ANY, "b", token="t1")
        assert world.claim(any_id, ANY, "b", token="t1") == first
        assert world.refused(any_id, ANY, "a", token="t1") == "started"

    def test_after_a_retry_another_agent_may_take_it(self, world: World, any_id: str) -> None:
        claim = world.claim(any_id, ANY, "b", token="t1")
        assert world.retry_later(claim, 10) is Finished.RETRIED
        assert world.execution(any_id).slot == ANY
        assert world.refused(any_id, ANY, "a") == "waiting"
        assert world.refused(any_id, ANY, "b", token="t1") == "waiting"
        world.clock.advance(10)
        assert world.promote() == [any_id]
        assert world.queued(ANY) == [any_id, any_id]  # no agent took the first message in this test
        second = world.claim(any_id, ANY, "a")
        assert second.attempt == 2
        assert world.finish(claim) is Finished.STALE
        assert world.finish(second) is Finished.FINISHED
        x = world.execution(any_id)
        assert (x.hostname, x.attempt, x.state) == ("a", 2, ExecutionState.COMPLETED)
        assert [(e.event, e.hostname) for e in x.events] == [
            ("acknowledged", "b"), ("started", "b"), ("retried", "b"),
            ("acknowledged", "a"), ("started", "a"), ("completed", "a"),
        ]  # fmt: skip

    def test_an_agent_that_cannot_run_it_leaves_it_to_others(self, world: World, any_id: str) -> None:
        """It came, or changed, after the submission; skipping the job would be wrong while others can run it."""
        world.register("new", operations=("op.y",))
        world.pop(ANY)
        assert world.refused(any_id, ANY, "new") == "unsupported"
        assert world.refused(any_id, ANY, "new") == "waiting"
        assert world.promote() == []  # not at once: it would turn in circles
        world.clock.advance(1)
        assert world.promote() == [any_id]
        assert world.pop(ANY) == any_id
        world.run(any_id, ANY, "a")


class TestDraining:
    @pytest.mark.parametrize(("target", "slot"), [("a", "a"), (ANY, ANY), (ALL, "a")])
    def test_it_starts_nothing_new(self, world: World, job_id: str, target: str, slot: str) -> None:
        found = world.create(target)
        world.agents.drain("a")
        assert world.refused(found, slot, "a") == "away"
        world.agents.undrain("a")
        world.promote()
        assert isinstance(world.try_claim(found, slot, "a"), Claim)


class TestDeadline:
    def test_not_started_by_then(self, world: World, job_id: str) -> None:
        found = world.create("a", expires_at=world.clock.after(10))
        world.clock.advance(10)
        assert world.refused(found, "a") == "expired"
        assert world.state(found) is ExecutionState.EXPIRED
        assert world.job(found).status is JobStatus.FAILED
        assert world.refused(found, "a") == "expired"

    def test_just_in_time(self, world: World, job_id: str) -> None:
        found = world.create("a", expires_at=world.clock.after(10))
        world.clock.advance(9.999999)
        claim = world.claim(found, "a")
        world.clock.advance(60)
        assert world.finish(claim) is Finished.FINISHED

    def test_any(self, world: World, job_id: str) -> None:
        found = world.create(ANY, expires_at=world.clock.after(10))
        world.clock.advance(11)
        assert world.refused(found, ANY, "a") == "expired"
        assert world.state(found) is ExecutionState.EXPIRED

    def test_one_agent_of_a_broadcast_is_late(self, world: World, job_id: str) -> None:
        found = world.create(ALL, expires_at=world.clock.after(10))
        world.run(found, "a")
        world.clock.advance(11)
        assert world.refused(found, "b") == "expired"
        assert world.job(found).status is JobStatus.PARTIAL_FAILURE
        assert world.executions.expire(10) == 0


def test_a_cancelled_execution_is_refused(world: World, job_id: str) -> None:
    world.jobs.cancel(job_id, "on request")
    assert world.refused(job_id, "a") == "cancelled"


def test_several_claims_in_one_call_are_apart(world: World) -> None:
    world.register("a", "b")
    jobs = [world.create("a") for _ in range(3)]
    taken = world.create("a")
    world.claim(taken, "a")
    wanted = [(job_id, "a", f"t{number}") for number, job_id in enumerate([*jobs, taken, "unknown"])]
    answers = world.executions.claim_each("a", wanted)
    claims = [answer for answer in answers if isinstance(answer, Claim)]
    assert [(claim.job_id, claim.token, claim.attempt) for claim in claims] == [
        (job_id, f"t{number}", 1) for number, job_id in enumerate(jobs)
    ]
    assert answers[3:] == [Refusal("started"), Refusal("unknown")]
    assert world.executions.claim_each("a", wanted)[:3] == claims  # the first answer was lost
    assert all(world.finish(claim) is Finished.FINISHED for claim in claims)


def test_several_claims_on_a_server_that_has_lost_its_scripts(world: World) -> None:
    world.register("a")
    jobs = [world.create("a") for _ in range(3)]
    world.client.script_flush()
    answers = world.executions.claim_each("a", [(job_id, "a", "t") for job_id in jobs])
    assert all(isinstance(answer, Claim) for answer in answers)


def test_a_damaged_record_spoils_no_other_claim(world: World) -> None:
    world.register("a")
    jobs = [world.create("a") for _ in range(3)]
    key = f"{world.ledger.keys.kind('exec')}a:{jobs[1]}"
    world.client.rename(key, "aside")
    world.client.set(key, "x")
    first, second, third = world.executions.claim_each("a", [(job_id, "a", "t") for job_id in jobs])
    assert isinstance(first, Claim)
    assert isinstance(second, RecordAltered)
    assert isinstance(third, Claim)
    reports = [Report(claim, ExecutionState.COMPLETED, "{}") for claim in (first, third)]
    spoiled = Report(Claim(jobs[1], "a", "t", 1, ""), ExecutionState.COMPLETED)
    illegal = Report(first, ExecutionState.STARTED)
    answers = world.executions.report_each([reports[0], spoiled, reports[1], illegal])
    assert (answers[0], answers[2]) == (Finished.FINISHED, Finished.FINISHED)
    assert isinstance(answers[1], RecordAltered)
    assert answers[3] is Finished.STALE
    assert world.executions.report_each(reports) == [Finished.REPEATED] * 2
    world.client.rename("aside", key)


@pytest.mark.parametrize("slot", ["a", ANY])
def test_what_is_given_back_is_due_again(world: World, slot: str) -> None:
    world.register("a", "b")
    job_id = world.create(slot)
    world.pop(slot)
    assert world.executions.claim_each("a", [(job_id, slot, "t")], gives_back=True) == [Refusal("away")]
    assert (world.state(job_id), world.events(job_id)) == (ExecutionState.SUBMITTED, [])
    assert world.promote() == [job_id]
    assert world.queued(slot) == [job_id]
    assert world.claim(job_id, slot, "a").attempt == 1


@pytest.mark.parametrize("client", REAL, indirect=True)
@pytest.mark.parametrize("refusal", ["READONLY", "OOM"])
def test_a_server_that_takes_no_writes_refuses_several_as_one(world: World, refusal: str) -> None:
    """Else an agent would drop the messages, and its results, of which the server has none."""
    world.register("a")
    jobs = [world.create("a") for _ in range(3)]
    claimed = world.claim(jobs[0], "a")
    with refusing(world.client, refusal):
        if refusal != "OOM":  # a claim first frees memory, and may write from then on
            with pytest.raises(LedgerRefuses, match=refusal):
                world.executions.claim_each("a", [(job_id, "a", "t") for job_id in jobs[1:]])
        with pytest.raises(LedgerRefuses, match=refusal):
            world.executions.report_each([Report(claimed, ExecutionState.COMPLETED, "{}")] * 2)
    answers = world.executions.claim_each("a", [(job_id, "a", "t") for job_id in jobs[1:]])
    assert all(isinstance(answer, Claim) for answer in answers)
    assert world.finish(claimed) is Finished.FINISHED


@contextmanager
def refusing(client: redis.Redis, refusal: str) -> Iterator[None]:
    """A server that is a replica, or whose memory is full."""
    if refusal == "READONLY":
        client.replicaof("127.0.0.1", 1)
    else:
        client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
