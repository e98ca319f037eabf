"""One execution on an agent: claimed, run, reported."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from unittest.mock import patch

import pytest

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from tests.unit.workers.conftest import HOST, STUBBORN, Submitter
from workers.agent.execution.executor import Executor
from workers.agent.execution.leases import LeaseKeeper
from workers.agent.execution.running import STOP_GRACE_SECONDS, RunningSet
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy


def execution(ledger: Ledger, job_id: str) -> Execution:
    return ledger.jobs.get(job_id).executions[0]


def events(ledger: Ledger, job_id: str) -> list[str]:
    return [event.event for event in ledger.jobs.get(job_id).timeline]


def running(executor: Executor, held: RunningSet, job_id: str, pool: ThreadPoolExecutor) -> object:
    """Start an execution in a thread and wait until it runs."""
    future = pool.submit(executor.execute, job_id, HOST)
    for _ in range(3000):
        if held.all():
            return future
        threading.Event().wait(0.01)
    raise AssertionError("it did not start")


def test_a_result_is_stored_with_whether_something_changed(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit("test.echo.get", {"text": "hi @fact.kernel"})
    assert executor.execute(job_id, HOST) == "completed"
    found = execution(ledger, job_id)
    assert found.data == {"text": "hi 6.1", "host": HOST, "attempt": 1}
    assert found.changed is False
    assert ledger.jobs.get(job_id).status is JobStatus.COMPLETED
    assert events(ledger, job_id) == ["submitted", "acknowledged", "started", "completed"]


def test_a_second_message_for_the_same_execution_is_dropped(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit("test.echo.get")
    executor.execute(job_id, HOST)
    assert executor.execute(job_id, HOST) == "dropped: completed"
    assert execution(ledger, job_id).attempt == 1
    assert ledger.stats()["claims_refused"] == 1


def test_an_execution_whose_lease_has_expired_does_not_begin(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit("test.echo.get")
    claim = ledger.executions.claim

    def late(*arguments: str) -> object:
        return replace(claim(*arguments), expires=time.monotonic() - 0.001)  # type: ignore[type-var]

    with patch.object(ledger.executions, "claim", late):
        assert executor.execute(job_id, HOST) == "dropped: its lease expired before it began"
    assert execution(ledger, job_id).state is ExecutionState.STARTED


def test_a_message_for_an_unknown_job_is_dropped(executor: Executor) -> None:
    assert executor.execute("00000000-0000-4000-8000-000000000000", HOST) == "dropped: unknown"


def test_an_agent_cannot_take_up_what_is_meant_for_another(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit("test.echo.get")
    assert ledger.executions.claim(job_id, HOST, "db1", "token").state == "foreign"  # type: ignore[union-attr]
    assert execution(ledger, job_id).state is ExecutionState.SUBMITTED


def test_a_failure_has_the_operations_message(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.fail.do")
    assert executor.execute(job_id, HOST) == "failed"
    assert execution(ledger, job_id).error == "disk full"
    assert ledger.jobs.get(job_id).status is JobStatus.FAILED


def test_info_that_an_operation_reports(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.report.do", {"reports": [{"phase": "waiting"}, {"phase": "running", "pid": 7}]})
    assert executor.execute(job_id, HOST) == "completed"
    found = execution(ledger, job_id)
    assert found.info == {"phase": "running", "pid": 7}
    assert found.data == {"token": None, "host": HOST}  # it learns the settings, but no secret


def test_how_an_operation_failed(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.report.do", {"reports": [{"pid": 7}], "failure": {"exit_code": 3}})
    assert executor.execute(job_id, HOST) == "failed"
    found = execution(ledger, job_id)
    assert (found.error, found.failure, found.info) == ("it broke", {"exit_code": 3}, {"pid": 7})


def test_a_failure_can_keep_its_data(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.report.do", {"error": "exited with code 3"})
    assert executor.execute(job_id, HOST) == "failed"
    found = execution(ledger, job_id)
    assert (found.error, found.data, found.changed, found.failure) == ("exited with code 3", {"kept": 1}, True, None)
    assert ledger.jobs.get(job_id).status is JobStatus.FAILED


def test_what_is_too_much_is_dropped(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    large = {"text": "x" * 100_000}
    job_id = submit("test.report.do", {"reports": [{"pid": 7}, large], "failure": large})
    assert executor.execute(job_id, HOST) == "failed"
    found = execution(ledger, job_id)
    assert (found.error, found.failure, found.info) == ("it broke", None, {"pid": 7})


def test_an_unavailable_ledger_stops_no_operation_that_reports_info(
    ledger: Ledger, executor: Executor, submit: Submitter
) -> None:
    job_id = submit("test.report.do", {"reports": [{"pid": 7}]})
    with patch.object(ledger.executions, "report_progress", side_effect=LedgerUnavailable("gone")):
        assert executor.execute(job_id, HOST) == "completed"
    assert execution(ledger, job_id).info == {"pid": 7}


def test_a_run_that_has_begun_nothing_goes_back_at_a_shutdown(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    job_id = submit("test.prepare.do", {"phases": ["waiting"]})
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        held.all()[0].ask_to_stop("shutdown")
        assert future.result(30) == "retried"  # type: ignore[attr-defined]
    assert execution(ledger, job_id).state is ExecutionState.SUBMITTED


def test_one_that_has_begun_does_not(ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter) -> None:
    job_id = submit("test.prepare.do", {"phases": ["waiting", "starting"]})
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        held.all()[0].ask_to_stop("shutdown")
        assert future.result(30) == "failed"  # type: ignore[attr-defined]
    assert "shut down" in (execution(ledger, job_id).error or "")


def test_nothing_begins_before_the_ledger_knows(
    ledger: Ledger, executor: Executor, submit: Submitter, outage: threading.Event
) -> None:
    """Else the ledger would give it to another agent as well."""
    job_id = submit("test.prepare.do", {"phases": ["waiting", "starting"], "ends": True})
    report, seen = ledger.executions.report_progress, []

    def late(*args: object, **options: object) -> bool:
        seen.append(options.get("is_idle", False))
        if seen == [True, False]:
            raise LedgerUnavailable("gone for a while")
        return report(*args, **options)  # type: ignore[arg-type]

    with patch.object(ledger.executions, "report_progress", late):
        assert executor.execute(job_id, HOST) == "completed"
    assert seen == [True, False, False]


def test_a_long_error_is_cut(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.fail.do", {"text": "x" * 50_000})
    executor.execute(job_id, HOST)
    assert len(execution(ledger, job_id).error or "") <= 2000


@pytest.mark.parametrize("kind", ["test.skip.do", "test.unheard.of"])
def test_what_a_host_does_not_support_is_skipped(
    ledger: Ledger, executor: Executor, submit: Submitter, kind: str
) -> None:
    job_id = submit(kind)
    assert executor.execute(job_id, HOST) == "skipped"
    assert ledger.jobs.get(job_id).status is JobStatus.SKIPPED
    assert "not supported" in ledger.jobs.get(job_id).timeline[-1].message


def test_a_failed_attempt_waits_for_the_next_one(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    policy = {"max_attempts": 2, "backoff_seconds": 0.0, "backoff_max_seconds": 0.0, "jitter": 0.0}
    job_id = submit("test.fail.do", retries=policy)
    assert executor.execute(job_id, HOST) == "retried"
    assert execution(ledger, job_id).state is ExecutionState.SUBMITTED
    assert executor.execute(job_id, HOST) == "dropped: waiting"  # not before maintenance publishes it
    assert [due.attempt for due in ledger.executions.promote(10, "")[1]] == [2]
    assert executor.execute(job_id, HOST) == "failed"
    assert execution(ledger, job_id).attempt == 2
    assert events(ledger, job_id).count("retried") == 1


def test_cancel_stops_a_running_operation(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    job_id = submit("test.wait.get")
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        ledger.jobs.cancel(job_id, "test")
        held.all()[0].since -= 10  # as if it had run for a while
        LeaseKeeper(ledger.executions, held, HOST, 15, executor.give_up).renew_once()
        assert future.result(10) == "cancelled"  # type: ignore[attr-defined]
    assert ledger.jobs.get(job_id).status is JobStatus.CANCELLED
    assert len(held) == 0


@pytest.mark.parametrize(
    ("kind", "idempotent", "outcome", "state"),
    [
        ("test.wait.get", True, "retried", ExecutionState.SUBMITTED),
        ("test.wait.do", False, "failed", ExecutionState.FAILED),
    ],
)
def test_shutdown_hands_back_what_may_run_again(
    ledger: Ledger,
    executor: Executor,
    held: RunningSet,
    submit: Submitter,
    kind: str,
    idempotent: bool,
    outcome: str,
    state: ExecutionState,
) -> None:
    job_id = submit(kind, idempotent=idempotent)
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        held.all()[0].ask_to_stop("shutdown")
        assert future.result(10) == outcome  # type: ignore[attr-defined]
    assert execution(ledger, job_id).state is state


def test_a_shutdown_grants_no_more_attempts_than_the_caller(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    job_id = submit("test.wait.get", idempotent=True, retries={"max_attempts": 1})
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        held.all()[0].ask_to_stop("shutdown")
        assert future.result(10) == "failed"  # type: ignore[attr-defined]
    assert execution(ledger, job_id).state is ExecutionState.FAILED


def test_a_lost_lease_stops_the_run_and_its_result_is_refused(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    job_id = submit("test.wait.get", idempotent=True)
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        ledger.client.zadd(ledger.keys.kind("leases"), {f"{job_id}:{HOST}": 0})
        assert ledger.executions.reap(10) == (1, 0)
        held.all()[0].since -= 10
        LeaseKeeper(ledger.executions, held, HOST, 15, executor.give_up).renew_once()
        assert future.result(10) == "stopped: the lease was lost"  # type: ignore[attr-defined]
    assert execution(ledger, job_id).state is ExecutionState.SUBMITTED  # it waits for its next attempt


def test_an_operation_that_never_stops_is_given_up_and_its_late_result_dropped(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter
) -> None:
    job_id = submit("test.stubborn.do", timeout_seconds=0.01)
    with ThreadPoolExecutor(1) as pool:
        future = running(executor, held, job_id, pool)
        one = held.all()[0]
        assert one.deadline is not None
        late = one.deadline + STOP_GRACE_SECONDS + 1
        keeper = LeaseKeeper(ledger.executions, held, HOST, 15, executor.give_up, clock=lambda: late)
        assert keeper.give_up_once() == 1
        assert keeper.give_up_once() == 0
        found = execution(ledger, job_id)
        assert found.state is ExecutionState.FAILED
        assert "timed out; the operation did not stop" in (found.error or "")
        STUBBORN.set()
        assert future.result(10) == "abandoned"  # type: ignore[attr-defined]
    assert execution(ledger, job_id).data is None


def test_a_result_survives_an_outage_of_the_ledger(
    ledger: Ledger, executor: Executor, held: RunningSet, submit: Submitter, outage: threading.Event, registry: Registry
) -> None:
    job_id = submit("test.echo.get", {"text": "kept"})
    original = registry.get

    def get_and_fail_the_ledger(kind: str) -> object:
        outage.set()
        return original(kind)

    with ThreadPoolExecutor(1) as pool, patch.object(registry, "get", get_and_fail_the_ledger):
        future = running(executor, held, job_id, pool)
        with pytest.raises(FutureTimeout):
            future.result(0.3)  # type: ignore[attr-defined]
        assert len(held) == 1  # still held: its lease is renewed as soon as the ledger is back
        outage.clear()
        assert future.result(10) == "completed"  # type: ignore[attr-defined]
    assert execution(ledger, job_id).data["text"] == "kept"


def test_a_claim_waits_for_the_ledger_and_ends_with_the_agent(
    executor: Executor, submit: Submitter, outage: threading.Event, closing: threading.Event
) -> None:
    job_id = submit("test.echo.get")
    outage.set()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(executor.execute, job_id, HOST)
        closing.set()
        with pytest.raises(LedgerUnavailable):
            future.result(10)


def test_a_draining_agent_puts_the_message_back(
    ledger: Ledger, executor: Executor, submit: Submitter, away: threading.Event
) -> None:
    job_id = submit("test.echo.get", target="_any", idempotent=True)
    ledger.agents.drain(HOST)
    assert executor.execute(job_id, "_any") == "dropped: away"
    assert away.is_set()
    assert [(due.slot, due.job_id) for due in ledger.executions.promote(10, "")[1]] == [("_any", job_id)]


def test_what_the_owner_does_not_allow_fails(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    executor._gate._guard = OperationGuard(Policy(("test.report.*",)), ResourceLimits(), ())
    job_id = submit("test.echo.get", retries={"max_attempts": 3})
    assert executor.execute(job_id, HOST) == "failed"
    assert execution(ledger, job_id).error == "not allowed on this host: test.echo.get is not in JOBQUEUE_ALLOW"
    assert ledger.executions.alerts() == []  # a caller's mistake, not an attack
    assert executor.execute(submit("test.report.do", {"reports": []}), HOST) == "completed"


def test_a_fact_that_the_host_does_not_have_fails(ledger: Ledger, executor: Executor, submit: Submitter) -> None:
    job_id = submit("test.echo.get", {"text": "@fact.colour"})
    assert executor.execute(job_id, HOST) == "failed"
    assert "has no fact 'colour'" in (execution(ledger, job_id).error or "")
