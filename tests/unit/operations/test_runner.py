"""run_operation: one way in, and only the agreed errors out."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from jobqueue.errors import (
    JobNotFound,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
    OperationTimedOut,
)
from jobqueue.operations.base import Operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.runner import run_operation
from jobqueue.operations.schema import Schema, Text, Whole


class CountSchema(Schema):
    count = Whole(load_default=3)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _operation(run: Any, **fields: Any) -> Operation:
    return Operation("test.it.do", run, **{"schema": CountSchema, **fields})


def _raising(error: BaseException) -> Operation:
    def run(data: dict[str, Any], context: Context) -> None:
        raise error

    return _operation(run)


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        ({"a": 1}, False, Outcome({"a": 1}, False)),
        ({"a": 1}, True, Outcome({"a": 1}, True)),
        (None, False, Outcome(None, False)),
        (Outcome(5), True, Outcome(5, True)),
        (Outcome(5, False), True, Outcome(5, False)),
        (Outcome((1, 2), True), False, Outcome([1, 2], True)),
    ],
)
def test_changed_is_always_said(answer: Any, changes: bool, expected: Outcome) -> None:
    assert run_operation(_operation(lambda data, context: answer, changes=changes), {}, Context("web1")) == expected


def test_data_is_completed_and_facts_are_filled_in() -> None:
    echo = _operation(lambda data, context: data)
    assert run_operation(echo, None, Context("web1")).data == {"count": 3}
    assert run_operation(echo, {"count": "@fact.cpus"}, Context("web1", facts={"cpus": 8})).data == {"count": 8}


def test_data_that_does_not_fit_fails_with_its_fields() -> None:
    with pytest.raises(OperationFailed, match=r"The data does not fit test\.it\.do: count: Not a valid integer\.") as e:
        run_operation(_operation(lambda data, context: None), {"count": "@fact.os"}, Context("web1", facts={"os": "x"}))
    assert e.value.details == {"count": ["Not a valid integer."]}


def test_an_unknown_fact_fails() -> None:
    with pytest.raises(OperationFailed, match="This host has no fact 'nope'"):
        run_operation(_operation(lambda data, context: None), {"count": "@fact.nope"}, Context("web1"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad"), "ValueError: bad"),
        (KeyError("k"), "KeyError: 'k'"),
        (SystemExit(2), "SystemExit: 2"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("a\ud800b\0c"), "ValueError: a\ufffdb\ufffdc"),
        (Unprintable(), "Unprintable: (its message could not be read: RuntimeError)"),
        (JobNotFound(), "No job has this id."),
        (OperationFailed("a\0b"), "a\ufffdb"),
    ],
    ids=["any", "key", "exit", "bare", "unclean", "unprintable", "another-of-ours", "own"],
)
def test_whatever_is_raised_becomes_a_failure(error: BaseException, message: str) -> None:
    with pytest.raises(OperationFailed) as caught:
        run_operation(_raising(error), {}, Context("web1"))
    assert caught.value.message == message


@pytest.mark.parametrize("error", [ValueError("x" * 100_000), OperationFailed("x" * 100_000)], ids=["any", "own"])
def test_messages_are_bounded(error: Exception) -> None:
    with pytest.raises(OperationFailed) as caught:
        run_operation(_raising(error), {}, Context("web1"))
    assert len(caught.value.message) == 2000


@pytest.mark.parametrize("error", [OperationTimedOut("t"), OperationCancelled("c"), OperationNotSupported("n")])
def test_the_agreed_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        run_operation(_raising(error), {}, Context("web1"))
    assert caught.value is error


def test_the_traceback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(OperationFailed):
        run_operation(_raising(ValueError("bad")), {}, Context("web1", job_id="j-1"))
    assert "j-1" in caplog.text
    assert "Traceback" in caplog.text


def test_an_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_operation(_raising(KeyboardInterrupt()), {}, Context("web1"))


@pytest.mark.parametrize(
    "answer", [object(), float("nan"), {1: 2}, "\ud800"], ids=["object", "nan", "key", "surrogate"]
)
def test_an_answer_that_is_no_json_fails(answer: Any) -> None:
    with pytest.raises(OperationFailed, match="not valid JSON"):
        run_operation(_operation(lambda data, context: answer), {}, Context("web1"))


def test_an_answer_that_is_too_large_fails() -> None:
    with pytest.raises(OperationFailed, match="too large"):
        run_operation(_operation(lambda data, context: "x" * 200), {}, Context("web1", max_result_bytes=100))


def test_nothing_runs_after_a_cancel_or_the_deadline() -> None:
    context = Context("web1")
    context.cancelled.set()
    never = _raising(AssertionError("it ran"))
    with pytest.raises(OperationCancelled):
        run_operation(never, {}, context)
    with pytest.raises(OperationTimedOut, match="timed out after 2s"):
        run_operation(never, {}, Context("web1", deadline=time.monotonic() - 1, timeout_seconds=2))


def test_the_context_counts_down_by_its_clock() -> None:
    context = Context("web1", deadline=10.0, timeout_seconds=5.0, clock=lambda: 8.5)
    context.check()
    assert context.remaining() == 1.5
    assert Context("web1").remaining() is None
    assert Context("web1", deadline=1.0, clock=lambda: 2.0).remaining() == 0.0


def test_facts_are_left_alone_in_code_of_others() -> None:
    class Line(Schema):
        line = Text()

    def run(data: dict[str, Any], context: Context) -> Any:
        return data["line"]

    context = Context("web1", facts={"kernel": "6.1"})
    line = {"line": "echo @fact.kernel"}
    assert run_operation(_operation(run, schema=Line), line, context).data == "echo 6.1"
    assert run_operation(_operation(run, schema=Line, takes_facts=False), line, context).data == "echo @fact.kernel"
