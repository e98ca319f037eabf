"""node.service.*: what systemctl shows, and how the module is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations import self_protection, systemd
from jobqueue.operations.ansible.module_answer import ModuleAnswer
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

#: As systemctl of systemd 252 prints it.
SHOW = """MainPID=612
Id=nginx.service
Description=A high performance web server and a reverse proxy server
LoadState=loaded
ActiveState=active
UnitFileState=enabled

MainPID=0
Id=apt-daily.service
Description=Daily apt download activities
LoadState=loaded
ActiveState=inactive
UnitFileState=static

MainPID=0
Id=gone.service
Description=gone.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
"""
ONE = SHOW.partition("\n\n")[0] + "\n"
MISSING = SHOW.rpartition("\n\n")[2]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    (tmp_path / "running").mkdir()
    monkeypatch.setattr(systemd, "_RUNNING", tmp_path / "running")
    return Tools(tmp_path / "bin", monkeypatch)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    called: list[Any] = []

    def run(name: str, arguments: dict[str, Any], _context: Any, *, check: bool) -> ModuleAnswer:
        called.append((name, arguments, check))
        return ModuleAnswer(True, False, False, "", "", {})

    monkeypatch.setattr("jobqueue.operations.ansible.change_by_module.run_module", run)
    return called


def test_services(perform: Perform, tools: Tools) -> None:
    tools.add("systemctl", SHOW)
    assert perform("node.service.list").data["services"] == [
        {
            "name": "apt-daily",
            "status": "inactive",
            "enabled": False,
            "description": "Daily apt download activities",
            "pid": None,
        },
        {
            "name": "nginx",
            "status": "active",
            "enabled": True,
            "description": "A high performance web server and a reverse proxy server",
            "pid": 612,
        },
    ]
    assert tools.calls("systemctl")[0].endswith("-- *.service")


def test_one_service(perform: Perform, tools: Tools) -> None:
    tools.add("systemctl", ONE)
    assert perform("node.service.get", {"name": "nginx"}).data["service"]["pid"] == 612
    assert tools.calls("systemctl")[0].endswith("-- nginx.service")
    tools.add("systemctl", MISSING)
    with pytest.raises(OperationFailed, match="This host has no service gone"):
        perform("node.service.get", {"name": "gone"})


@pytest.mark.parametrize(
    ("verb", "arguments", "diff"),
    [
        ("start", {"state": "started"}, ""),
        ("stop", {"state": "stopped"}, "-status: active\n+status: inactive\n"),
        ("restart", {"state": "restarted"}, "-status: active\n+status: restarted\n"),
        ("enable", {"enabled": True}, ""),
        ("disable", {"enabled": False}, "-enabled: true\n+enabled: false\n"),
    ],
)
def test_a_change(
    perform: Perform, tools: Tools, modules: list[Any], verb: str, arguments: dict[str, Any], diff: str
) -> None:
    tools.add("systemctl", ONE)
    outcome = perform(f"node.service.{verb}", {"name": "nginx", "check": True})
    assert modules == [("systemd_service", {"name": "nginx", **arguments}, True)]
    assert outcome.data.get("diff", "").endswith(diff)
    assert (outcome.changed, outcome.data["would_change"]) == (False, True)


def test_a_service_that_does_not_exist_is_not_started(perform: Perform, tools: Tools, modules: list[Any]) -> None:
    tools.add("systemctl", MISSING)
    with pytest.raises(OperationFailed, match="This host has no service gone"):
        perform("node.service.start", {"name": "gone"})
    assert modules == []


@pytest.mark.parametrize("verb", ["stop", "restart", "disable"])
def test_the_own_service_is_kept(
    perform: Perform, tools: Tools, modules: list[Any], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(self_protection, "own_unit", lambda: "jobqueue-agent.service")
    with pytest.raises(OperationFailed, match=r"The unit jobqueue-agent\.service runs this agent"):
        perform(f"node.service.{verb}", {"name": "jobqueue-agent"})
    assert modules == []


def test_a_host_without_systemd_is_skipped(perform: Perform, tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "running").rmdir()
    for type, data in (("list", {}), ("get", {"name": "x"}), ("start", {"name": "x"})):
        with pytest.raises(OperationNotSupported, match="systemd does not run on this host, as in most containers"):
            perform(f"node.service.{type}", data)


def test_a_systemctl_that_fails_is_quoted(perform: Perform, tools: Tools) -> None:
    tools.add("systemctl", error="Failed to connect to bus", code=1)
    with pytest.raises(OperationFailed, match="systemctl exited with code 1: Failed to connect to bus"):
        perform("node.service.list")


@pytest.mark.parametrize("name", ["", "-x", "a\nb", "a b", "../x", "a/b", "a*", "x" * 300])
def test_a_name_is_one_unit(registry: Registry, name: str) -> None:
    for verb in ("get", "start", "stop", "restart", "enable", "disable"):
        with pytest.raises(InvalidOperationData, match="Must be the name of one service"):
            registry.validate(f"node.service.{verb}", {"name": name})
