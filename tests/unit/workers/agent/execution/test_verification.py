"""The verification of a rollout on an agent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Execution
from jobqueue.operations.base import operation
from jobqueue.operations.builtin import steps
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from jobqueue.operations.schema import Schema, Text
from tests.unit.workers.conftest import HOST, Submitter, echo, fail, report, skip, wait
from workers.agent.execution import verification
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import RunningSet
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy, Rule
from workers.agent.guard.work_admission import WorkAdmission

#: What ran, in order.
RAN: list[str] = []


@operation("test.note.do", changes=True)
def note(data: dict[str, Any], context: Context) -> Outcome:
    """The work."""
    RAN.append("work")
    context.report({"pid": 7})
    return Outcome({"done": True}, changed=True)


@operation("test.third.get")
def third(data: dict[str, Any], context: Context) -> Outcome:
    """Succeeds at its third run, as a service that needs time to start."""
    RAN.append("check")
    context.report({"of": "the check"})
    return Outcome(None, error=None if RAN.count("check") == 3 else "not up yet")


class PathSchema(Schema):
    path = Text(load_default="/srv/a")


@operation("test.look.get", schema=PathSchema)
def look(data: dict[str, Any], context: Context) -> Outcome:
    """Says which paths the policy of the host allows it."""
    RAN.extend(path for path in ("/srv/b", "/etc/b") if context.allows({"path": path}))
    return Outcome(None)


@pytest.fixture
def registry() -> Registry:
    RAN.clear()
    return Registry([note, third, look, steps.run, echo, fail, report, skip, wait])


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_FIRST_WAIT", 0.01)


def rollout(kind: str, data: dict[str, Any] | None = None, within: float = 30) -> dict[str, Any]:
    verify = {"operation": {"type": kind, "data": data or {}}, "within_seconds": within}
    return {"rollout": {"batch": 1, "verify": verify}}


def execution(ledger: Ledger, job_id: str) -> Execution:
    return ledger.jobs.get(job_id).executions[0]


@pytest.mark.parametrize("in_a_step", [False, True])
def test_the_policy_of_the_host_is_that_of_the_verification(
    ledger: Ledger, executor: Executor, submit: Submitter, gate: WorkAdmission, in_a_step: bool
) -> None:
    """Not that of the work, which any data is allowed."""
    rules = (
        Rule(("test.note.do",), allows=True),
        Rule(("test.look.get",), allows=True, arguments={"path": "/srv/*"}),
    )
    gate._guard = OperationGuard(Policy((), rules), ResourceLimits(), ())
    kind, data = "test.look.get", {"path": "/srv/a"}
    if in_a_step:
        kind, data = steps.run.type, {"steps": [{"operation": {"type": kind, "data": data}}]}
    job_id = submit("test.note.do", **rollout(kind, data))
    assert executor.execute(job_id, HOST) == "completed"
    assert RAN == ["work", "/srv/b"]


def test_it_is_repeated_until_it_succeeds(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.note.do", **rollout("test.third.get"))
    assert executor.execute(job_id, HOST) == "completed"
    assert RAN == ["work", "check", "check", "check"]
    found = execution(ledger, job_id)
    assert (found.data, found.changed, found.error) == ({"done": True}, True, None)
    about = {"operation": "test.third.get", "attempts": 3, "state": "succeeded"}
    assert found.info == {"pid": 7, "verification": about}


def test_one_that_never_succeeds_fails_the_host_and_keeps_what_was_done(
    ledger: Ledger, executor: Executor, submit: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_LONGEST_WAIT", 0.01)
    job_id = submit("test.note.do", **rollout("test.fail.do", {"text": "503"}, within=1))
    assert executor.execute(job_id, HOST) == "failed"
    found = execution(ledger, job_id)
    assert found.error is not None
    assert found.error.startswith("the verification test.fail.do failed ")
    assert found.error.endswith(" times within 1 s: 503")
    assert (found.data, found.changed) == ({"done": True}, True)
    assert found.info is not None
    assert found.info["verification"]["state"] == "failed"
    assert RAN == ["work"]


def test_an_error_in_an_outcome_is_a_failure_too(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.note.do", **rollout("test.report.do", {"error": "exited with code 3"}, within=1))
    assert executor.execute(job_id, HOST) == "failed"
    assert "exited with code 3" in str(execution(ledger, job_id).error)


@pytest.mark.parametrize(("work", "state"), [("test.fail.do", "failed"), ("test.skip.do", "skipped")])
def test_a_run_that_did_not_complete_is_not_verified(
    ledger: Ledger, executor: Executor, submit: Submitter, work: str, state: str
) -> None:
    job_id = submit(work, **rollout("test.third.get"))
    assert executor.execute(job_id, HOST) == state
    assert RAN == []


def test_a_failed_verification_is_retried_with_the_run(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    retries = {"max_attempts": 2, "backoff_seconds": 0.0, "backoff_max_seconds": 0.0, "jitter": False}
    job_id = submit("test.note.do", retries=retries, **rollout("test.fail.do", within=1))
    assert executor.execute(job_id, HOST) == "retried"
    assert RAN == ["work"]


def test_a_host_that_cannot_verify_does_not_run(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.note.do", **rollout("test.unknown.get"))
    assert executor.execute(job_id, HOST) == "failed"
    assert "is not supported on this host; the job was not run" in str(execution(ledger, job_id).error)
    assert RAN == []


def test_the_policy_of_the_host_holds_for_it(
    ledger: Ledger, executor: Executor, gate: WorkAdmission, submit: Submitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_guard", OperationGuard(Policy(("test.note.do",)), ResourceLimits(), ()))
    job_id = submit("test.note.do", **rollout("test.third.get"))
    assert executor.execute(job_id, HOST) == "failed"
    assert "test.third.get is not in JOBQUEUE_ALLOW, which verifies the run" in str(execution(ledger, job_id).error)
    assert RAN == []


def test_a_cancellation_ends_it(ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter) -> None:
    job_id = submit("test.note.do", **rollout("test.wait.get"))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.execute, job_id, HOST)
        for _ in range(3000):
            if any((one.info or {}).get("verification") for one in held.all()):
                break
            threading.Event().wait(0.01)
        held.all()[0].ask_to_stop("cancel")
        assert future.result(30) == "cancelled"
    assert RAN == ["work"]
