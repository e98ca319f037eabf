"""node.power.*: how systemd is asked, and how often. Nothing here reaches a real program."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import (
    InvalidOperationData,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
    OperationTimedOut,
)
from jobqueue.operations import systemd
from jobqueue.operations.builtin import power
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

REBOOT, SHUTDOWN = "node.power.reboot", "node.power.shutdown"
TIMER = "--unit=jobqueue-power --collect --on-active={}s --timer-property=AccuracySec=1s -- shutdown {} now"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    (tmp_path / "running").mkdir()
    (tmp_path / "boot_id").write_text("first\n")
    monkeypatch.setattr(systemd, "_RUNNING", tmp_path / "running")
    monkeypatch.setattr(power, "_BOOT_ID", tmp_path / "boot_id")
    monkeypatch.setattr(power, "_LOOK_SECONDS", 0.01)
    tools = Tools(tmp_path / "bin", monkeypatch)
    for name in ("systemctl", "systemd-run", "shutdown"):
        tools.add(name)
    return tools


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """Fields of a context: a job, and an agent with a state directory."""
    return {"job_id": "j1", "settings": Settings(state_dir=tmp_path / "state")}


def test_a_restart_is_scheduled_for_after_the_result(perform: Perform, tools: Tools, job: dict[str, Any]) -> None:
    outcome = perform(REBOOT, {"delay": 0, "message": "new kernel"}, **job)
    assert (outcome.changed, outcome.data["action"], outcome.data["delay"]) == (True, "reboot", 10)
    assert tools.calls("systemd-run") == [f"{TIMER.format(10, '-r')} new kernel"]
    assert perform(SHUTDOWN, {"delay": 90}, **job).data["delay"] == 90
    assert tools.calls("systemd-run")[1:] == [TIMER.format(90, "-P")]
    assert tools.calls("systemctl") == ["stop jobqueue-power.timer"] * 2
    assert tools.calls("shutdown") == []


def test_a_check_schedules_nothing(perform: Perform, tools: Tools, job: dict[str, Any]) -> None:
    for operation in (REBOOT, SHUTDOWN):
        outcome = perform(operation, {"delay": 60, "check": True}, **job)
        assert (outcome.changed, outcome.data["would_change"], outcome.data["delay"]) == (False, True, 60)
    assert tools.calls("systemd-run") + tools.calls("systemctl") == []
    assert not (job["settings"].state_dir / "reboot-web1.json").exists()


def test_a_run_that_is_repeated_after_the_restart_restarts_nothing(
    perform: Perform, tools: Tools, job: dict[str, Any], tmp_path: Path
) -> None:
    perform(REBOOT, {}, **job)
    perform(REBOOT, {}, attempt=2, **job)  # the agent restarted, not its host
    assert len(tools.calls("systemd-run")) == 2
    (tmp_path / "boot_id").write_text("second\n")
    again = perform(REBOOT, {"wait": True}, attempt=2, **job)
    assert (again.changed, again.data["action"]) == (True, "reboot")
    assert len(tools.calls("systemd-run")) == 2
    perform(REBOOT, {}, **{**job, "job_id": "j2"})  # another job's
    assert len(tools.calls("systemd-run")) == 3


def test_waiting_ends_with_the_agent_and_the_schedule_is_called_off(
    perform: Perform, tools: Tools, job: dict[str, Any]
) -> None:
    """A cancel and a restart of the agent look the same; after the latter, the run is repeated and schedules anew."""
    stop, reports = threading.Event(), []

    def report(info: Any) -> None:
        reports.append(dict(info))
        stop.set()

    with pytest.raises(OperationCancelled):
        perform(REBOOT, {"wait": True}, cancelled=stop, report=report, **job)
    assert reports == [{"phase": "rebooting"}]
    assert tools.calls("systemctl") == ["stop jobqueue-power.timer"] * 2


def test_a_host_that_does_not_go_down(
    perform: Perform, tools: Tools, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperationTimedOut):
        perform(REBOOT, {"wait": True}, deadline=time.monotonic() + 0.3, **job)
    assert tools.calls("systemctl")[-1] == "stop jobqueue-power.timer"
    monkeypatch.setattr(power, "LEAST_DELAY", 0)
    monkeypatch.setattr(power, "_GOING_DOWN", 0.05)
    with pytest.raises(OperationFailed, match=r"The host has not gone down within 0\.05 s after its delay of 0 s"):
        perform(REBOOT, {"wait": True, "delay": 0}, **job)


def test_a_record_that_is_damaged_or_cannot_be_written(perform: Perform, tools: Tools, job: dict[str, Any]) -> None:
    state = job["settings"].state_dir
    state.mkdir()
    for text in ("", "[]", "{"):
        (state / "reboot-web1.json").write_text(text)
        perform(REBOOT, {}, **job)
        assert json.loads((state / "reboot-web1.json").read_text()) == {"job": "j1", "boot": "first"}
    (state / "reboot-web1.json").unlink()
    (state / "reboot-web1.json").mkdir()
    calls = len(tools.calls("systemd-run"))
    with pytest.raises(OperationFailed, match=r"reboot-web1\.json cannot be written"):
        perform(REBOOT, {}, **job)
    assert len(tools.calls("systemd-run")) == calls


def test_the_words_of_systemd(perform: Perform, tools: Tools, job: dict[str, Any]) -> None:
    tools.add("systemd-run", error="Failed to start transient timer unit: Access denied", code=1)
    with pytest.raises(OperationFailed, match="Failed to start transient timer unit: Access denied"):
        perform(SHUTDOWN, {}, **job)


def test_without_systemd(perform: Perform, tools: Tools, job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "running").rmdir()
    for operation in (REBOOT, SHUTDOWN):
        with pytest.raises(OperationNotSupported, match="systemd does not run on this host"):
            perform(operation, {}, **job)
    assert tools.calls("systemd-run") == []


@pytest.mark.parametrize(
    "data",
    [{"delay": -1}, {"delay": 604_801}, {"delay": 1.5}, {"delay": "5"}, {"message": "a\nb"}, {"message": "x" * 501}],
)
def test_bad_data(registry: Registry, data: dict[str, Any]) -> None:
    for operation in (REBOOT, SHUTDOWN):
        with pytest.raises(InvalidOperationData):
            registry.validate(operation, data)
