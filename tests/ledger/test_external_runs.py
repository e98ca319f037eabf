"""Runs that drivers elsewhere report: created and moved through the one table, cancelled, forsaken, deleted."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from api.fusion.run_state import EXECUTION_STATES, RunState, reachable, reporters, run_state
from jobqueue.errors import JobNotFinal, JobNotFound
from jobqueue.ledger.external_runs import ReportAnswer, ReportOutcome
from jobqueue.model.external_run import EXTERNAL_OPERATION, EXTERNAL_SLOT, ExternalRunReport
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY
from tests.ledger.clock import SECOND
from tests.ledger.world import LEASE, World

R = RunState
DRIVER = "driver-1"


def report(world: World, word: RunState, name: str = "run1", **more: Any) -> ReportAnswer:
    """Report a state as a driver does."""
    state = EXECUTION_STATES[word]
    values = {"hostname": DRIVER, "origin": "fusion"} | more
    run = ExternalRunReport(name, word.value, frozenset(map(str, reporters(word))), str(state or ""), **values)
    return world.ledger.external_runs.report(run, is_cancelling=word is R.CANCELLING)


def reported(world: World, *words: RunState, name: str = "run1") -> str:
    """Report each state in turn; returns the job's id."""
    job_id = ""
    for word in words:
        answer = report(world, word, name)
        assert answer.outcome is ReportOutcome.ACCEPTED
        world.clock.advance(1)
        job_id = answer.job_id
    return job_id


@pytest.mark.parametrize(
    ("word", "status", "events"),
    [
        (R.IDLE, JobStatus.SUBMITTED, []),
        (R.STARTING, JobStatus.SUBMITTED, []),
        (R.RUNNING, JobStatus.PROCESSING, ["acknowledged", "started"]),
        (R.FINISHING, JobStatus.PROCESSING, ["acknowledged", "started"]),
        (R.CANCELLING, JobStatus.SUBMITTED, []),
        (R.FINISHED, JobStatus.COMPLETED, ["acknowledged", "started", "completed"]),
        (R.CANCELLED, JobStatus.CANCELLED, ["cancelled"]),
        (R.ERROR, JobStatus.FAILED, ["failed"]),
        (R.SKIPPED, JobStatus.SKIPPED, ["acknowledged", "skipped"]),
    ],
)
def test_a_run_may_begin_in_any_state(world: World, word: RunState, status: JobStatus, events: list[str]) -> None:
    answer = report(
        world, word, reported={"config": {"id": "c"}, "result": {"n": 1}}, note="why", tags={"fusion.id": "c"}
    )
    job = world.job(answer.job_id)
    assert (job.status, job.operation, job.target, job.origin) == (status, EXTERNAL_OPERATION, EXTERNAL_SLOT, "fusion")
    assert (job.alias, job.hostname, job.tags) == ("run1", DRIVER, {"fusion.id": "c"})
    assert (job.data, job.expected_agents) == ({"id": "c"}, ())
    assert job.result == ({"n": 1} if status.is_final else None)
    assert world.events(job.id) == events
    assert run_state(job) is word
    assert job.error == ("why" if word is R.ERROR else None)
    assert [x.id for x in world.jobs.page(JobFilter(hostname=DRIVER, status=status)).items] == [job.id]
    assert [x.id for x in world.jobs.page(JobFilter(tag=("fusion.id", "c"))).items] == [job.id]


@pytest.mark.parametrize("before", sorted(set(R) - {R.UNKNOWN}))
def test_every_move_is_allowed_or_refused_whole(world: World, before: RunState) -> None:
    for after in sorted(set(R) - {R.UNKNOWN}):
        name = f"to-{after}"
        job_id = reported(world, before, name=name)
        earlier = world.job(job_id)
        answer = report(world, after, name)
        assert answer.job_id == job_id
        if before.is_final:
            assert answer.outcome is (ReportOutcome.REPEATED if after is before else ReportOutcome.FINAL)
        elif after is before or after in reachable(before):
            assert answer.outcome is ReportOutcome.ACCEPTED
            assert run_state(world.job(job_id)) is after
            continue
        else:
            assert answer == ReportAnswer(ReportOutcome.ILLEGAL, job_id, before.value)
        assert world.job(job_id) == earlier


def test_the_whole_way(world: World) -> None:
    job_id = reported(world, R.STARTING, R.RUNNING, R.FINISHING, R.FINISHED)
    job, x = world.job(job_id), world.execution(job_id)
    events = [event.event for event in job.timeline]
    assert events == ["submitted", "acknowledged", "started", "reported", "completed"]
    assert job.timeline[3].message == f"The driver on {DRIVER} reported finishing"
    assert job.timeline[3].error is None
    assert {event.hostname for event in x.events} == {DRIVER}
    assert (x.attempt, x.duration) == (1, 2 * SECOND)
    assert world.jobs.counts()[JobStatus.COMPLETED] == 1


def test_a_report_replaces_earlier_values_by_field(world: World) -> None:
    job_id = report(world, R.RUNNING, reported={"config": {"a": 1}, "result": {"b": 2}}).job_id
    report(world, R.RUNNING, reported={"result": {"b": 3, "c": None}})
    external_run = world.job(job_id).external_run
    assert external_run is not None
    assert external_run.reported == {"config": {"a": 1}, "result": {"b": 3, "c": None}}


def test_the_driver_may_move(world: World) -> None:
    job_id = reported(world, R.RUNNING)
    report(world, R.RUNNING, hostname="driver-2")
    report(world, R.FINISHED, hostname="")
    job = world.job(job_id)
    assert job.hostname == "driver-2"
    assert job.timeline[-1].hostname == "driver-2"
    assert world.jobs.page(JobFilter(hostname=DRIVER)).total == 0


def test_the_end_again_is_harmless_and_another_end_refused(world: World) -> None:
    result = {"reported": {"result": {"n": [1, {"x": 2, "y": 3}]}}}
    job_id = report(world, R.FINISHED, **result).job_id
    before = world.job(job_id)
    world.clock.advance(1)
    assert report(world, R.FINISHED, **result).outcome is ReportOutcome.REPEATED
    assert report(world, R.FINISHED).outcome is ReportOutcome.REPEATED
    assert report(world, R.FINISHED, reported={"result": {"n": 2}}).outcome is ReportOutcome.FINAL
    assert report(world, R.ERROR, **result).outcome is ReportOutcome.FINAL
    assert world.job(job_id) == before


def test_no_driver_moves_a_job_of_the_agents(world: World) -> None:
    world.register("a")
    ours = world.create("a", alias="ours")
    other = world.create("a")
    for name, job_id in (("ours", ours), (ours, ours), (other, other)):
        for word in (R.RUNNING, R.FINISHED):
            assert report(world, word, name) == ReportAnswer(ReportOutcome.NOT_EXTERNAL, job_id)
    assert world.job(ours).status is JobStatus.SUBMITTED


def test_no_agent_takes_it(world: World) -> None:
    world.register("a", DRIVER, EXTERNAL_SLOT)
    job_id = reported(world, R.STARTING)
    for slot, host in ((EXTERNAL_SLOT, EXTERNAL_SLOT), (EXTERNAL_SLOT, "a"), (ANY, "a"), (DRIVER, DRIVER), ("a", "a")):
        assert world.refused(job_id, slot, host) in ("foreign", "unknown", "submitted")
    assert world.queued(ANY) == []
    world.clock.advance(10 * LEASE)
    assert world.reconcile(ANY) == world.reconcile(EXTERNAL_SLOT) == world.promote() == []
    assert world.executions.reap(10) == (0, 0)
    assert world.executions.expire(10) == 0
    assert run_state(world.job(job_id)) is R.STARTING


@pytest.mark.parametrize("word", [R.STARTING, R.RUNNING, R.FINISHING])
@pytest.mark.parametrize("end", [R.CANCELLED, R.FINISHED, R.ERROR])
def test_a_cancel_waits_for_the_driver(world: World, word: RunState, end: RunState) -> None:
    job_id = reported(world, word)
    assert world.jobs.cancel(job_id, "by ada") is False
    assert run_state(world.job(job_id)) is R.CANCELLING
    if end in reachable(word):
        assert report(world, end).outcome is ReportOutcome.ACCEPTED
        assert run_state(world.job(job_id)) is end
    else:
        assert report(world, end).outcome is ReportOutcome.ILLEGAL


def test_the_driver_itself_cancels(world: World) -> None:
    job_id = reported(world, R.RUNNING, R.CANCELLING)
    assert world.job(job_id).cancel_requested is True
    assert report(world, R.RUNNING).outcome is ReportOutcome.ILLEGAL
    assert report(world, R.CANCELLED, note="by the driver").outcome is ReportOutcome.ACCEPTED
    assert world.job(job_id).status is JobStatus.CANCELLED


def test_delete_and_prune(world: World) -> None:
    running, ended = reported(world, R.RUNNING, name="r"), reported(world, R.FINISHED, name="e")
    with pytest.raises(JobNotFinal):
        world.jobs.delete(running)
    world.clock.advance(100)
    assert world.jobs.prune(50, 10) == 1
    with pytest.raises(JobNotFound):
        world.jobs.find("e")
    assert reported(world, R.STARTING, name="e") != ended
    report(world, R.ERROR, name="r", reported={"result": {}})
    world.jobs.delete(running)
    assert not world.client.exists(world.ledger.keys.kind("driver_report") + running)


def test_a_silent_driver_is_given_up(world: World) -> None:
    idle, running = reported(world, R.IDLE, name="i"), reported(world, R.RUNNING, name="r")
    speaking = reported(world, R.RUNNING, name="s")
    world.jobs.cancel(running, "on request")
    world.clock.advance(100)
    report(world, R.RUNNING, name="s")
    assert world.ledger.external_runs.expire_external(50, 1) == 1
    assert world.ledger.external_runs.expire_external(50, 10) == 1
    assert world.ledger.external_runs.expire_external(50, 10) == 0
    states = [world.state(job_id) for job_id in (idle, running, speaking)]
    assert states == [ExecutionState.EXPIRED, ExecutionState.LOST, ExecutionState.STARTED]
    assert "stopped reporting" in (world.job(running).error or "")
    assert run_state(world.job(running)) is R.ERROR
    assert report(world, R.FINISHED, name="r").outcome is ReportOutcome.FINAL


def test_a_name_that_is_a_jobs_id_finds_the_run(world: World) -> None:
    job_id = reported(world, R.RUNNING)
    assert report(world, R.FINISHED, job_id) == ReportAnswer(ReportOutcome.ACCEPTED, job_id)
    fresh = report(world, R.FINISHED, str(uuid.uuid4()))
    assert fresh.outcome is ReportOutcome.ACCEPTED


def test_large_and_odd_texts_survive(world: World) -> None:
    config = {"sql": "SELECT '|' \n--" + "x" * 100_000, "ключ": ["\t", "€", 1e300, 2**53, -0.5, None, True, {}]}
    job_id = report(world, R.ERROR, reported={"config": config}, note="a|b\nc" + "n" * 5000).job_id
    job = world.job(job_id)
    assert json.dumps(job.data) == json.dumps(config)
    assert job.error == ("a|b\nc" + "n" * 5000)[:2000]
