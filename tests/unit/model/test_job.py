"""What a job shows, derived from its executions."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState, JobStatus, derive_status
from jobqueue.model.timeline import Event

S = ExecutionState


def execution(host: str, state: ExecutionState = S.COMPLETED, **more: Any) -> Execution:
    return Execution(host, "" if host == "_any" else host, state, **more)


def job(*executions: Execution, broadcast: bool = True, **more: Any) -> Job:
    states = [x.state for x in executions]
    status = derive_status({state: states.count(state) for state in states})
    return Job(
        "op.x",
        {},
        "_all",
        id="id",
        status=status,
        created=1,
        updated=2,
        executions=executions,
        is_broadcast=broadcast,
        **more,
    )


@pytest.mark.parametrize(
    ("executions", "changed"),
    [
        ([execution("a", changed=False), execution("b", changed=True)], True),
        ([execution("a", changed=False), execution("b", changed=False)], False),
        ([execution("a", changed=False), execution("b", S.SKIPPED)], False),
        ([execution("a", changed=True), execution("b", S.FAILED)], True),
        ([execution("a", S.SKIPPED), execution("b", S.SKIPPED)], None),
        ([execution("a", S.FAILED)], None),
        ([execution("a", changed=True), execution("b", S.STARTED)], None),
    ],
)
def test_changed(executions: list[Execution], changed: bool | None) -> None:
    assert job(*executions).changed is changed


def test_a_single_execution_shows_at_the_top() -> None:
    shown = job(execution("a", data=[1], attempt=2, error=None), broadcast=False)
    assert (shown.result, shown.hostname, shown.error, shown.attempts) == ([1], "a", None, 2)
    failed = job(execution("a", S.FAILED, error="disk full"), broadcast=False)
    assert failed.error == "disk full"


def test_a_broadcast_shows_its_last_answer_and_sums_up_its_failures() -> None:
    shown = job(
        execution("db1", S.FAILED, error="disk full", finished=30),
        execution("db2", S.EXPIRED, finished=20),
        execution("db3", S.LOST, error="agent db3 fell silent", finished=10),
        execution("db4", data=1, attempt=3),
    )
    assert shown.result is None
    assert shown.hostname == "db1"
    assert shown.attempts == 3
    assert shown.error == "3 of 4 agents failed: db1: disk full; db2: expired; db3: agent db3 fell silent"
    assert shown.status is JobStatus.PARTIAL_FAILURE
    assert job(execution("a"), execution("b")).error is None
    assert job(execution("a", S.SUBMITTED)).hostname == ""


def test_many_failures_are_counted_not_spelled_out() -> None:
    shown = job(*(execution(f"h{number}", S.FAILED, error="no") for number in range(1000)))
    assert shown.error is not None
    assert shown.error.startswith("1000 of 1000 agents failed: h0: no; ")
    assert shown.error.endswith("; and 990 more")
    assert len(shown.error) < 200


def test_the_timeline_is_merged_by_time_and_keeps_the_order_within_an_execution() -> None:
    first = (Event(5, "acknowledged", "a"), Event(5, "started", "a"), Event(9, "completed", "a"))
    second = (Event(5, "acknowledged", "b"), Event(7, "started", "b"))
    shown = job(
        execution("a", events=first), execution("b", S.STARTED, events=second), events=(Event(1, "submitted", "_api"),)
    )
    assert [(event.at, event.event, event.hostname) for event in shown.timeline] == [
        (1, "submitted", "_api"), (5, "acknowledged", "a"), (5, "started", "a"), (5, "acknowledged", "b"),
        (7, "started", "b"), (9, "completed", "a"),
    ]  # fmt: skip


def test_what_a_failure_causes_comes_after_it() -> None:
    own = (Event(1, "submitted", "_api"), Event(9, "stopped", "_api"), Event(9, "batch_ended", "_api", "1"))
    held = (Event(9, "cancelled", "_api"),)
    shown = job(execution("a", S.FAILED, events=(Event(5, "started", "a"), Event(9, "failed", "a"))), events=own + held)
    names = ["submitted", "started", "failed", "stopped", "batch_ended", "cancelled"]
    assert [event.event for event in shown.timeline] == names


@pytest.mark.parametrize(
    ("started", "finished", "duration"), [(0, 0, None), (10, 0, None), (0, 10, None), (10, 45_010, 45_000)]
)
def test_duration(started: int, finished: int, duration: int | None) -> None:
    assert execution("a", started=started, finished=finished).duration == duration
