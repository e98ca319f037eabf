"""What an operation tells of its run, beside how it ended."""

from __future__ import annotations

import json

from jobqueue.ledger.executions import Claim, Finished
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from tests.ledger.world import LEASE, World


def report(world: World, claim: Claim, **info: object) -> bool:
    return world.executions.report_progress(claim, json.dumps({"info": info}))


def test_it_is_seen_while_the_operation_runs_and_afterwards(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    assert world.execution(job_id).info == {}
    assert report(world, claim, phase="waiting")
    assert report(world, claim, phase="running", pid=7)
    assert world.execution(job_id).info == {"phase": "running", "pid": 7}
    assert world.execution(job_id).data is None
    world.finish(claim, ExecutionState.CANCELLED)
    assert world.execution(job_id).info == {"phase": "running", "pid": 7}


def test_a_failure_is_kept(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    out = json.dumps({"failure": {"exit_code": 3}, "info": {"pid": 7}})
    world.executions.finish(world.claim(job_id, "a"), ExecutionState.FAILED, out=out, note="exit code 3")
    found = world.execution(job_id)
    assert (found.failure, found.info, found.error, found.data) == ({"exit_code": 3}, {"pid": 7}, "exit code 3", None)


def test_only_the_claiming_agent_can_report(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    assert not report(world, Claim(job_id, "a", "other", 1, ""), pid=1)
    assert not report(world, Claim(job_id, "b", claim.token, 1, ""), pid=1)
    assert report(world, claim, pid=2)
    world.finish(claim, ExecutionState.CANCELLED)
    assert not report(world, claim, pid=3)
    assert world.execution(job_id).info == {"pid": 2}


def test_a_new_attempt_begins_with_nothing(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ANY, is_idempotent=True)
    first = world.claim(job_id, ANY, "a")
    report(world, first, pid=1)
    assert world.executions.finish(first, ExecutionState.FAILED, retry_in=0.0, retry_note="again") is Finished.RETRIED
    assert world.execution(job_id).info == {}
    world.promote()
    report(world, world.claim(job_id, ANY, "b"), pid=2)
    world.clock.advance(LEASE + 1)
    world.executions.reap(10)
    world.promote()
    assert world.execution(job_id).info == {}
    third = world.claim(job_id, ANY, "a")
    assert world.execution(job_id).info == {}
    world.finish(third, ExecutionState.COMPLETED)
    assert not world.client.keys("*out:b*")


def test_reports_before_the_loss_are_kept(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    report(world, world.claim(job_id, "a"), pid=1)
    world.clock.advance(LEASE + 1)
    world.executions.reap(10)
    found = world.execution(job_id)
    assert (found.state, found.info) == (ExecutionState.LOST, {"pid": 1})
    world.jobs.delete(job_id)
    assert not world.client.keys("*out:*")


def test_what_had_begun_nothing_is_not_lost(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ANY)
    claim = world.claim(job_id, ANY, "a")
    assert world.executions.report_progress(claim, json.dumps({"info": {"phase": "waiting"}}), is_idle=True)
    world.clock.advance(LEASE + 1)
    assert world.executions.reap(10) == (1, 0)
    world.promote()
    second = world.claim(job_id, ANY, "b")
    world.executions.report_progress(second, json.dumps({"info": {"phase": "setting_up"}}), is_idle=True)
    assert report(world, second, phase="starting")  # from here on it is unknown how far it came
    world.clock.advance(LEASE + 1)
    assert world.executions.reap(10) == (0, 1)
    assert world.state(job_id) is ExecutionState.LOST
