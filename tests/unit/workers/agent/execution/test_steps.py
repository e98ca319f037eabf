"""A job with several steps on an agent: one claim, one lease, one record."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.states import ExecutionState
from jobqueue.operations.builtin import steps
from jobqueue.operations.registry import Registry
from tests.unit.workers.conftest import HOST, Submitter, echo, fail, report, wait, wait_changing
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet

STEPS = steps.run.type


@pytest.fixture
def registry() -> Registry:
    return Registry([steps.run, echo, fail, report, wait, wait_changing])


def job(*operations: str | tuple[str, dict[str, Any]], **terms: Any) -> dict[str, Any]:
    listed = []
    for number, one in enumerate(operations, 1):
        type_, data = (one, {}) if isinstance(one, str) else one
        listed.append({"name": f"s{number}", "operation": {"type": type_, "data": data}, **terms})
    return {"steps": listed}


def test_one_record_with_an_outcome_for_each(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit(STEPS, job(("test.echo.get", {"text": "on @fact.kernel"}), "test.echo.get"))
    assert executor.execute(job_id, HOST) == "completed"
    (execution,) = ledger.jobs.get(job_id).executions
    assert [one["state"] for one in execution.data["steps"]] == ["completed", "completed"]
    assert execution.data["steps"][0]["result"]["text"] == "on 6.1"
    assert execution.changed is False
    assert [one["state"] for one in execution.info["steps"]] == ["completed", "completed"]
    assert "==> step 2 of 2: s2 (test.echo.get)" in _output(ledger, job_id)


def test_a_failure_names_the_step_and_keeps_the_others(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit(STEPS, job("test.echo.get", "test.fail.do", "test.echo.get"))
    assert executor.execute(job_id, HOST) == "failed"
    (execution,) = ledger.jobs.get(job_id).executions
    assert execution.error == "step s2 failed: disk full"
    assert [one["state"] for one in execution.data["steps"]] == ["completed", "failed", "skipped"]


def test_a_step_that_this_host_does_not_know(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit(STEPS, job("test.echo.get", "test.ecko.get"))
    assert executor.execute(job_id, HOST) == "skipped"
    (execution,) = ledger.jobs.get(job_id).executions
    assert "Did you mean test.echo.get" in execution.events[-1].note
    assert (execution.data, execution.info) == (None, {})


def test_a_report_of_a_step_does_not_make_the_run_one_that_has_begun_nothing(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    """Else another agent would be given the job, although steps have run."""
    idle = []
    original = ledger.executions.report_progress

    def noted(*args: Any, **options: Any) -> bool:
        idle.append(options.get("is_idle", False))
        return original(*args, **options)

    ledger.executions.report_progress = noted  # type: ignore[method-assign]
    job_id = submit(STEPS, job("test.echo.get", ("test.report.do", {"reports": [{"phase": "waiting"}]})))
    assert executor.execute(job_id, HOST) == "completed"
    assert idle
    assert not any(idle)


@pytest.mark.parametrize(
    ("first", "idempotent", "ends"),
    [("test.wait.get", True, "retried"), ("test.wait.do", False, "failed")],
)
def test_an_agent_that_shuts_down_in_a_step(
    ledger: Ledger,
    executor: Executor,
    held: RunningSet,
    submit: Submitter,
    first: str,
    idempotent: bool,
    ends: str,
) -> None:
    job_id = submit(STEPS, job("test.echo.get", first), idempotent=idempotent)
    assert _stopped(ledger, executor, held, job_id, "shutdown") == ends


def test_a_cancel(ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter) -> None:
    job_id = submit(STEPS, job("test.echo.get", "test.wait.do", "test.echo.get", when="always"))
    assert _stopped(ledger, executor, held, job_id, "cancel") == "cancelled"
    (execution,) = ledger.jobs.get(job_id).executions
    assert execution.state is ExecutionState.CANCELLED
    assert [one["state"] for one in execution.info["steps"]] == ["completed", "cancelled", "pending"]


def _stopped(ledger: Ledger, executor: Executor, held: RunningSet, job_id: str, reason: str) -> str:
    """Stop the run while its second step runs; returns how it ended."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.execute, job_id, HOST)
        for _ in range(3000):
            info = ledger.jobs.get(job_id).executions[0].info
            if info and info["steps"][1]["state"] == "running":
                break
            threading.Event().wait(0.01)
        held.all()[0].ask_to_stop(reason)
        return future.result(30)


def _output(ledger: Ledger, job_id: str) -> str:
    return "".join(chunk.text for chunk in ledger.output.read(job_id, HOST, 0).chunks)


def test_a_diff_is_requested_of_those_steps_that_have_one(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit(STEPS, {**job("test.echo.get"), "diff": True})
    assert executor.execute(job_id, HOST) == "completed", ledger.jobs.get(job_id).executions
