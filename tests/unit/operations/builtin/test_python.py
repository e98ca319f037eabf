"""python.call: functions of allowed modules, in a child process."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed, OperationTimedOut
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.child import is_allowed
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

HERE = "tests.unit.operations.callables"


def _call(perform: Perform, name: str, *args: Any, **fields: Any) -> Outcome:
    return perform("python.call", {"function": f"{HERE}.{name}", "args": list(args)}, python_modules=(HERE,), **fields)


def test_arguments_and_result(perform: Perform) -> None:
    data = {"function": f"{HERE}:add", "args": [1], "kwargs": {"b": 10**30}}
    outcome = perform("python.call", data, python_modules=("tests.unit",))
    assert outcome == Outcome(10**30 + 1, changed=True)


def test_a_function_may_say_that_nothing_changed(perform: Perform) -> None:
    assert _call(perform, "changed_nothing") == Outcome({"was": "so already"}, changed=False)


def test_a_function_may_fail_and_keep_its_data(perform: Perform) -> None:
    assert _call(perform, "half_done") == Outcome({"done": 1}, changed=True, error="the second half failed")


def test_what_it_prints_is_live_output_and_its_input_is_empty(perform: Perform) -> None:
    seen: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def sink(stream: str, chunk: bytes) -> None:
        seen[stream] += chunk

    assert _call(perform, "chatter", output=sink).data == ""
    assert seen == {"stdout": b"out loud\n", "stderr": b"aside\n"}


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("unserialisable", [], r"The result is not valid JSON at deep\[0\]: a object is not a JSON value\."),
        ("boom", [], "^ValueError: no such luck$"),
        ("leave", [], "^SystemExit: 3$"),
        ("vanish", [], "The child process died by SIGKILL before it answered"),
        ("large", [2_000_000], "The result is too large: 2000002 bytes as JSON, at most 1048576 are kept"),
        ("add", [], "^TypeError: add"),
        ("nothing", [], f"Module '{HERE}' has no function 'nothing'"),
        ("answer", [], "is not a function"),
        ("borrowed", ["true"], "is defined in posix, which this agent does not allow"),
    ],
    ids=["not-json", "raises", "exits", "dies", "too-large", "arguments", "unknown", "no-function", "borrowed"],
)
def test_failures_say_why(perform: Perform, name: str, args: list[Any], message: str) -> None:
    with pytest.raises(OperationFailed, match=message):
        _call(perform, name, *args)


def test_the_traceback_goes_to_the_log_only(perform: Perform, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(OperationFailed) as caught:
        _call(perform, "boom")
    assert "Traceback" not in f"{caught.value.message} {caught.value.details}"
    assert 'raise ValueError("no such luck")' in caplog.text


def test_the_last_words_of_a_child_that_dies_are_kept(perform: Perform) -> None:
    with pytest.raises(OperationFailed) as caught:
        _call(perform, "vanish")
    assert caught.value.details == {"exit_code": -9, "stdout": "", "stderr": "about to go\n"}


def test_it_is_killed_at_its_timeout(perform: Perform) -> None:
    started = time.monotonic()
    data = {"function": f"{HERE}.nap", "args": [60], "timeout": 0.1}
    with pytest.raises(OperationTimedOut, match="timed out after 100ms"):
        perform("python.call", data, python_modules=(HERE,))
    assert time.monotonic() - started < 20


def test_it_is_killed_on_cancel(perform: Perform) -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    with pytest.raises(OperationCancelled):
        _call(perform, "nap", 60, cancelled=cancelled)


@pytest.mark.parametrize("allowed", [(), ("os.path",), ("o",), ("os.",)])
def test_modules_that_are_not_allowed_are_not_imported(perform: Perform, allowed: tuple[str, ...]) -> None:
    with pytest.raises(OperationFailed, match="does not allow calls into module 'os'"):
        perform("python.call", {"function": "os.system", "args": ["true"]}, python_modules=allowed)


def test_a_module_that_is_missing(perform: Perform) -> None:
    with pytest.raises(OperationFailed, match=r"Module 'no_such_module' cannot be imported: ModuleNotFoundError"):
        perform("python.call", {"function": "no_such_module.f"}, python_modules=("no_such_module",))


@pytest.mark.parametrize(
    ("module", "allowed"),
    [("app", True), ("app.tasks", True), ("app.tasks.deep", True), ("application", False), ("ap", False), ("", False)],
)
def test_the_allow_list_ends_at_dots(module: str, allowed: bool) -> None:
    assert is_allowed(module, ["app"]) is allowed


@pytest.mark.parametrize(
    "function",
    ["", "f", ".f", "a.", "a..f", "a._private", "a.__class__", "a b.f", "a:b:c", "a.f()", "a.f\n", "ä.f", 5, None],
)
def test_bad_functions_are_refused(registry: Registry, function: Any) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("python.call", {"function": function})
    assert list(caught.value.details or ()) == ["function"]


@pytest.mark.parametrize("data", [{"args": {}}, {"args": "x"}, {"kwargs": []}, {"timeout": 0}, {"module": "x"}])
def test_bad_data_is_refused(registry: Registry, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("python.call", {"function": "a.f", **data})
    assert list(caught.value.details or ()) == list(data)
