"""Reporting how an execution ended: only the holder of the token may, and only once."""

from __future__ import annotations

import json

import pytest

from jobqueue.errors import IllegalTransition
from jobqueue.ledger.executions import Claim, Finished
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World

S = ExecutionState


@pytest.fixture
def claim(world: World) -> Claim:
    """Host a runs a job."""
    world.register("a", "b")
    return world.claim(world.create("a"), "a")


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [
        (S.COMPLETED, JobStatus.COMPLETED, None),
        (S.FAILED, JobStatus.FAILED, "the note"),
        (S.SKIPPED, JobStatus.SKIPPED, None),
        (S.CANCELLED, JobStatus.CANCELLED, None),
    ],
)
def test_every_way_to_end(
    world: World, claim: Claim, state: ExecutionState, status: JobStatus, error: str | None
) -> None:
    world.clock.advance(2.5)
    note = "" if state is S.COMPLETED else "the note"
    assert world.finish(claim, state, note=note) is Finished.FINISHED
    job, x = world.job(claim.job_id), world.execution(claim.job_id)
    assert (x.state, x.error, x.finished, x.duration) == (state, error, world.clock.now, 2_500_000)
    assert (job.status, job.error, job.updated) == (status, error, world.clock.now)
    assert (job.timeline[-1].event, job.timeline[-1].hostname, job.timeline[-1].note) == (str(state), "a", note)


def test_the_result(world: World, claim: Claim) -> None:
    assert world.finish(claim, out='{"data": {"free": [1, null, "é"]}, "changed": true}') is Finished.FINISHED
    job = world.job(claim.job_id)
    assert job.result == {"free": [1, None, "é"]}
    assert job.changed is True


@pytest.mark.parametrize("length", [0, 1, 30, 31, 90, 149, 150, 151, 152, 5000])
@pytest.mark.parametrize("letter", ["x", "é", "\\ud800", '\\"'])
def test_answers_of_all_lengths(world: World, claim: Claim, length: int, letter: str) -> None:
    """Short ones lie elsewhere than long ones, and each takes the place of the earlier report."""
    reports = [f'{{"info": {{"seen": "{letter * size}"}}}}' for size in (length, 200, 0, 5000)]
    for out in reports:
        world.executions.report_progress(claim, out)
        assert world.execution(claim.job_id).info == json.loads(out)["info"]
    out = f'{{"data": "{letter * length}", "changed": true}}'
    assert world.finish(claim, out=out) is Finished.FINISHED
    found = world.execution(claim.job_id)
    assert (found.out, found.data, found.info) == (out, json.loads(out)["data"], {})
    world.jobs.delete(claim.job_id)
    assert not world.client.keys("*out:*")
    assert not world.client.keys("*exec:*")


def test_the_same_report_again_is_harmless(world: World, claim: Claim) -> None:
    world.finish(claim)
    before = world.job(claim.job_id)
    world.clock.advance(1)
    assert world.finish(claim, out='{"data": "other", "changed": false}') is Finished.REPEATED
    assert world.job(claim.job_id) == before
    assert world.stat("results_refused") == 0


def test_a_different_report_after_the_end_is_refused_and_counted(world: World, claim: Claim) -> None:
    world.finish(claim)
    before = world.job(claim.job_id)
    assert world.finish(claim, S.FAILED, note="no") is Finished.STALE
    assert world.retry_later(claim, 1) is Finished.STALE
    assert world.job(claim.job_id) == before
    assert world.stat("results_refused") == 2


@pytest.mark.parametrize("token", ["other", "", "1"])
def test_a_wrong_token_is_refused_and_counted(world: World, claim: Claim, token: str) -> None:
    forged = Claim(claim.job_id, "a", token, 1, claim.document)
    assert world.finish(forged) is Finished.STALE
    assert world.stat("results_refused") == 1
    assert world.state(claim.job_id) is S.STARTED


def test_another_host_cannot_answer(world: World, claim: Claim) -> None:
    assert world.finish(Claim(claim.job_id, "b", claim.token, 1, "")) is Finished.STALE


def test_a_deleted_job(world: World, claim: Claim) -> None:
    world.finish(claim)
    world.jobs.delete(claim.job_id)
    assert world.finish(claim) is Finished.UNKNOWN
    assert world.client.keys("*out:*") == []


@pytest.mark.parametrize("state", [S.SUBMITTED, S.ACKNOWLEDGED, S.STARTED, S.EXPIRED])
def test_a_state_that_no_run_ends_in(world: World, claim: Claim, state: ExecutionState) -> None:
    with pytest.raises(IllegalTransition, match=str(state)):
        world.finish(claim, state)
    assert world.finish(claim) is Finished.FINISHED


@pytest.mark.parametrize("word", ["completed started>failed", "failed started", "Completed", "unheard", " ", ""])
def test_a_word_that_is_no_state(world: World, claim: Claim, word: str) -> None:
    """The table of transitions is text, in which parts of it and of several states are found, too."""
    report = (claim.job_id, "a", claim.token, word, "", "", "", "", "")
    assert world.ledger.scripts.call_each("finish", ("",), [report]) == ["illegal"]
    assert (world.state(claim.job_id), world.job(claim.job_id).status) == (S.STARTED, JobStatus.PROCESSING)
    assert world.finish(claim) is Finished.FINISHED


class TestRetry:
    def test_it_waits_for_its_back_off_and_runs_again(self, world: World, claim: Claim) -> None:
        job_id = claim.job_id
        assert world.retry_later(claim, 7.5) is Finished.RETRIED
        x = world.execution(job_id)
        assert (x.state, x.attempt, x.data, x.error, x.duration) == (S.SUBMITTED, 1, None, None, None)
        assert world.job(job_id).status is JobStatus.SUBMITTED
        assert [e.note for e in x.events if e.event == "retried"] == ["once more"]
        world.clock.advance(7.4)
        assert world.promote() == []
        assert world.refused(job_id, "a") == "waiting"
        world.clock.advance(0.1)
        assert world.promote() == [job_id]
        assert world.promote() == []
        second = world.claim(job_id, "a")
        assert second.attempt == 2
        assert world.messages("a")[-1]["headers"]["id"] == f"{job_id}:a:2"
        assert world.finish(second) is Finished.FINISHED
        assert world.job(job_id).attempts == 2

    def test_the_old_token_is_refused_afterwards(self, world: World, claim: Claim) -> None:
        world.retry_later(claim, 0)
        for stale in (world.finish(claim), world.retry_later(claim, 0)):
            assert stale is Finished.STALE
        world.promote()
        second = world.claim(claim.job_id, "a")
        assert world.finish(claim) is Finished.STALE
        assert world.finish(second) is Finished.FINISHED

    def test_a_cancelled_job_is_not_tried_again(self, world: World, claim: Claim) -> None:
        world.jobs.cancel(claim.job_id, "on request")
        assert world.retry_later(claim, 5) is Finished.FINISHED
        assert world.state(claim.job_id) is S.FAILED

    def test_in_a_broadcast(self, world: World, claim: Claim) -> None:
        job_id = world.create(ALL)
        world.run(job_id, "b")
        world.retry_later(world.claim(job_id, "a"), 1)
        assert world.job(job_id).status is JobStatus.PROCESSING
        world.clock.advance(1)
        world.promote()
        world.run(job_id, "a")
        assert world.job(job_id).status is JobStatus.COMPLETED

    def test_many_times(self, world: World, claim: Claim) -> None:
        job_id = world.create(ANY)
        for number in range(60):
            world.retry_later(world.claim(job_id, ANY, "ab"[number % 2]), 0)
            world.promote()
        world.run(job_id, ANY, "a")
        assert world.job(job_id).attempts == 61


class TestZombie:
    """An agent that was cut off, and comes back when its work was given to another."""

    @pytest.mark.parametrize("target", ["a", ANY])
    def test_it_cannot_finish_what_was_taken_from_it(self, world: World, claim: Claim, target: str) -> None:
        job_id = world.create(target, is_idempotent=True)
        zombie = world.claim(job_id, target, "a")
        world.clock.advance(LEASE)
        world.executions.reap(10)
        world.promote()
        for answer in (world.finish(zombie), world.finish(zombie, S.FAILED, note="x"), world.retry_later(zombie, 0)):
            assert answer is Finished.STALE
        rival = world.claim(job_id, target, "a" if target == "a" else "b")
        assert world.finish(zombie, out='{"data": "zombie", "changed": true}') is Finished.STALE
        assert world.finish(rival, out='{"data": "rival", "changed": false}') is Finished.FINISHED
        assert world.finish(zombie, out='{"data": "zombie", "changed": true}') is Finished.STALE
        assert world.job(job_id).result == "rival"
        assert world.execution(job_id).attempt == 2
        assert world.stat("results_refused") == 5

    def test_nor_what_was_declared_lost(self, world: World, claim: Claim) -> None:
        world.clock.advance(LEASE)
        assert world.executions.reap(10) == (0, 1)
        assert world.finish(claim) is Finished.STALE
        assert world.finish(claim, S.LOST) is Finished.REPEATED
        assert world.state(claim.job_id) is S.LOST
        assert world.stat("results_refused") == 1


def test_the_status_of_a_broadcast_follows_its_agents(world: World, claim: Claim) -> None:
    world.register("c", "d")
    job_id = world.create(ALL)
    claims = {host: world.claim(job_id, host) for host in "abcd"}
    assert world.job(job_id).changed is None
    world.finish(claims["a"])
    world.finish(claims["b"], S.SKIPPED, note="not needed")
    world.finish(claims["c"], S.FAILED, note="disk full")
    assert world.job(job_id).status is JobStatus.PROCESSING
    world.finish(claims["d"], S.FAILED, note="timed out after 30s")
    job = world.job(job_id)
    assert job.status is JobStatus.PARTIAL_FAILURE
    assert job.error == "2 of 4 agents failed: c: disk full; d: timed out after 30s"
    assert job.changed is True
    assert job.result is None


def test_notes_are_any_text(world: World, claim: Claim) -> None:
    note = "a|b|c: 100% @TASK@ \n\t é 漢 \x07 " + "x" * 1900
    world.finish(claim, S.FAILED, note=note)
    assert world.execution(claim.job_id).error == note
