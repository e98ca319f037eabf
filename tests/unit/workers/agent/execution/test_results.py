"""Results that end at about the same time are stored together, and none waits for long."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace

import pytest

from jobqueue.dispatch.message_parser import Task
from jobqueue.ledger.executions import Claim, Finished, Report
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.states import ExecutionState
from tests.acceptance.support.until import until
from tests.unit.workers.conftest import HOST, Submitter
from workers.agent.execution import results
from workers.agent.execution.executor import Executor
from workers.agent.execution.results import ResultBuffer
from workers.agent.execution.running import RunningSet


class Stored:
    """What was sent to the ledger, and what came of it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.together: list[int] = []
        self.outcomes: list[str] = []
        report_each = ledger.executions.report_each

        def counted(reports: list[Report]) -> list[Finished | Exception]:
            self.together.append(len(reports))
            return report_each(reports)

        monkeypatch.setattr(ledger.executions, "report_each", counted)


@pytest.fixture
def stored(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Stored:
    return Stored(ledger, monkeypatch)


@pytest.fixture
def claims(executor: Executor, held: RunningSet, submit: Submitter) -> list[Claim]:
    tasks = [Task("", submit("test.echo.get"), HOST) for _ in range(3)]
    held.claims_begun(3)
    claims = executor.claim(tasks)
    return [claim for claim in claims if isinstance(claim, Claim)]


def state(ledger: Ledger, claim: Claim) -> ExecutionState:
    return ledger.jobs.get(claim.job_id).executions[0].state


def test_the_last_of_several_runs_stores_the_results_of_all(
    executor: Executor, claims: list[Claim], held: RunningSet, ledger: Ledger, stored: Stored
) -> None:
    for claim in claims:
        assert stored.together == []
        executor.run(claim, stored.outcomes.append)
    assert stored.together == [3]
    assert stored.outcomes == ["completed"] * 3
    assert [state(ledger, claim) for claim in claims] == [ExecutionState.COMPLETED] * 3
    assert len(held) == 0


def test_an_execution_whose_lease_has_expired_does_not_begin(
    executor: Executor, claims: list[Claim], held: RunningSet, ledger: Ledger, stored: Stored
) -> None:
    assert claims[0].expires > time.monotonic()
    late = replace(claims[0], expires=time.monotonic() - 0.001)
    executor.run(late, stored.outcomes.append)
    assert stored.outcomes == ["dropped: its lease expired before it began"]
    assert (len(held), stored.together) == (2, [])
    assert state(ledger, late) is ExecutionState.STARTED  # until maintenance reclaims it


def test_a_result_waits_for_a_longer_run_only_for_a_moment(
    executor: Executor, claims: list[Claim], held: RunningSet, ledger: Ledger, stored: Stored
) -> None:
    executor.results.start()
    try:
        executor.run(claims[0], stored.outcomes.append)
        until(lambda: stored.outcomes == ["completed"], "it is stored although two others have not ended")
        assert len(held) == 2
    finally:
        executor.results.stop()
        executor.results.join(10)


def test_an_execution_is_held_until_its_result_is_stored(
    executor: Executor, claims: list[Claim], held: RunningSet, ledger: Ledger, stored: Stored
) -> None:
    """Its lease is renewed until then, and a shutdown waits for it."""
    executor.run(claims[0], stored.outcomes.append)
    assert (len(held), stored.outcomes, state(ledger, claims[0])) == (3, [], ExecutionState.STARTED)
    executor.results.store()
    assert (len(held), stored.outcomes, state(ledger, claims[0])) == (2, ["completed"], ExecutionState.COMPLETED)


def test_many_results_are_stored_in_calls_of_bounded_size(
    executor: Executor, claims: list[Claim], held: RunningSet, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = ResultBuffer(executor.results._ledger, held)
    held.claims_begun(100)
    report = Report(claims[0], ExecutionState.COMPLETED)
    for _ in range(results.MOST_TOGETHER + 1):
        buffer.put(report, None, stored.outcomes.append)
    buffer.store()
    assert stored.together == [results.MOST_TOGETHER, 1]
    stored.together.clear()
    monkeypatch.setattr(results, "_MOST_BYTES", 10)
    for length in (20, 4, 4, 4):
        text = '"' + "x" * (length - 2) + '"'
        buffer.put(Report(claims[1], ExecutionState.COMPLETED, out=text), None, stored.outcomes.append)
    buffer.store()
    assert stored.together == [1, 2, 1]  # one that is too long goes alone


def test_a_damaged_record_spoils_no_other_result(
    executor: Executor, claims: list[Claim], held: RunningSet, ledger: Ledger, stored: Stored
) -> None:
    spoiled = claims[1].job_id
    for claim in claims[:2]:
        executor.run(claim, stored.outcomes.append)
    key = f"{ledger.keys.kind('exec')}{HOST}:{spoiled}"
    ledger.client.delete(key)
    ledger.client.set(key, "not a hash")
    executor.run(claims[2], stored.outcomes.append)
    assert stored.outcomes == ["completed", "unreported", "completed"]
    assert [state(ledger, claim) for claim in (claims[0], claims[2])] == [ExecutionState.COMPLETED] * 2
    assert len(held) == 0


def test_what_cannot_be_claimed_spoils_no_other_claim(
    executor: Executor, held: RunningSet, ledger: Ledger, submit: Submitter
) -> None:
    jobs = [submit("test.echo.get") for _ in range(3)]
    key = f"{ledger.keys.kind('exec')}{HOST}:{jobs[1]}"
    ledger.client.delete(key)
    ledger.client.set(key, "not a hash")
    held.claims_begun(4)
    unknown = Task("", str(uuid.uuid4()), HOST)
    first, second, third, fourth = executor.claim([*(Task("", job_id, HOST) for job_id in jobs), unknown])
    assert isinstance(first, Claim)
    assert isinstance(third, Claim)
    assert (second, fourth) == ("dropped: it cannot be claimed", "dropped: unknown")
    assert len(held) == 2


def test_results_wait_for_a_ledger_that_is_away_and_end_with_the_agent(
    executor: Executor,
    claims: list[Claim],
    held: RunningSet,
    stored: Stored,
    outage: threading.Event,
    closing: threading.Event,
) -> None:
    for claim in claims[:2]:
        executor.run(claim, stored.outcomes.append)
    outage.set()
    held.claims_ended(1)
    thread = threading.Thread(target=executor.results.store)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    closing.set()
    thread.join(10)
    assert stored.outcomes == ["unreported"] * 2
    assert len(held) == 0
