"""node.process.get and node.process.signal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

GET, SIGNAL = "node.process.get", "node.process.signal"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_one_process(perform: Perform, child: subprocess.Popen[bytes]) -> None:
    process = perform(GET, {"pid": child.pid}).data["process"]
    assert (process["pid"], process["ppid"]) == (child.pid, os.getpid())
    assert "cmdline" not in process


def test_a_signal_is_sent_unless_it_is_a_check(perform: Perform, child: subprocess.Popen[bytes]) -> None:
    data = {"pid": child.pid, "signal": "TERM"}
    predicted = perform(SIGNAL, {**data, "check": True})
    assert predicted.data == {**data, "changed": False, "check": True, "would_change": True}
    assert child.poll() is None
    assert perform(SIGNAL, data).changed is True
    assert child.wait(30) == -15


def test_a_process_that_is_gone(perform: Perform, child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for type, data in ((GET, {}), (SIGNAL, {"signal": "HUP"}), (SIGNAL, {"signal": "HUP", "check": True})):
        with pytest.raises(OperationFailed, match=f"This host has no process {child.pid}"):
            perform(type, {"pid": child.pid, **data})


def test_the_agent_and_its_parents_get_no_signal(perform: Perform) -> None:
    for pid in (1, os.getpid(), os.getppid()):
        with pytest.raises(OperationFailed, match=f"Process {pid} is the agent"):
            perform(SIGNAL, {"pid": pid, "signal": "USR1"})


@pytest.mark.parametrize("data", [{"pid": 0}, {"pid": -1}, {"pid": "7"}, {"pid": 7, "signal": "STOP"}, {"pid": 2**40}])
def test_wrong_data(registry: Registry, data: dict[str, object]) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(SIGNAL, {"signal": "TERM", **data})
