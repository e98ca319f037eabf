"""The node family: what it says is what the host says."""

from __future__ import annotations

import os
import socket
from typing import Any

import psutil
import pytest

from jobqueue.errors import InvalidOperationData, OperationCancelled
from jobqueue.operations.builtin import node
from jobqueue.operations.context import Context
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

PLAIN = ["hostname.get", "status.get", "uptime.get", "load.get", "memory.get", "disk.get", "os.get", "process.list"]


@pytest.mark.parametrize("name", PLAIN)
def test_it_reads_and_needs_no_data(perform: Perform, registry: Registry, name: str) -> None:
    outcome = perform(f"node.{name}")
    assert isinstance(outcome.data, dict)
    assert outcome.changed is False
    info = registry.get(f"node.{name}")
    assert (info.permission, info.changes, info.idempotent) == ("agent:read", False, True)
    with pytest.raises(InvalidOperationData):
        registry.validate(f"node.{name}", {"colour": "blue"})


def test_the_agents_name_and_the_machines(perform: Perform) -> None:
    data = perform("node.hostname.get", labels={"group": "web"}).data
    assert data == {"hostname": "web1", "system_hostname": socket.gethostname(), "labels": {"group": "web"}}


def test_numbers_are_plausible(perform: Perform) -> None:
    assert perform("node.uptime.get").data["seconds"] > 0
    memory = perform("node.memory.get").data
    assert memory["total"] == psutil.virtual_memory().total
    assert 0 < memory["available"] <= memory["total"]
    load = perform("node.load.get").data
    assert load["cpus"] == psutil.cpu_count()
    assert load["load1"] >= 0
    disks = perform("node.disk.get").data["disks"]
    assert "/" in [disk["mountpoint"] for disk in disks]
    assert all(0 <= disk["percent"] <= 100 for disk in disks)
    assert perform("node.os.get").data["kernel"] == os.uname().release
    status = perform("node.status.get").data
    assert set(status) == {"hostname", "os", "uptime", "load", "memory", "disks", "conditions"}


def test_processes_hold_this_one_and_no_command_lines(perform: Perform) -> None:
    data = perform("node.process.list", {"limit": 1000}).data
    mine = next(entry for entry in data["processes"] if entry["pid"] == os.getpid())
    assert mine["ppid"] == os.getppid()
    assert mine["memory"] > 1_000_000
    assert set(mine) == {"pid", "ppid", "name", "user", "status", "memory", "cpu_seconds", "started_at"}


def test_processes_are_sorted_limited_and_filtered(perform: Perform) -> None:
    data = perform("node.process.list", {"limit": 2, "sort": "pid"}).data
    assert [entry["pid"] for entry in data["processes"]] == sorted(psutil.pids())[:2]
    assert data["total"] > 2
    assert perform("node.process.list", {"name": "no process is called so"}).data == {"total": 0, "processes": []}


def test_a_process_name_that_is_not_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = psutil.Process()
    strange.info = {  # type: ignore[attr-defined]
        **dict.fromkeys(("username", "memory_info", "cpu_times", "create_time")),
        "pid": 1,
        "ppid": 0,
        "name": "a\udcff",
        "status": "running",
    }
    monkeypatch.setattr(node.psutil, "process_iter", lambda attrs: iter([strange]))
    data = node.process_list({"limit": 5, "sort": "memory"}, Context("web1"))
    assert data["processes"][0]["name"] == "a\ufffd"
    assert data["processes"][0]["user"] is None


def test_a_long_list_can_be_cancelled(registry: Registry) -> None:
    context = Context("web1")
    context.cancelled.set()
    with pytest.raises(OperationCancelled):
        registry.get("node.process.list")({"limit": 1, "sort": "pid"}, context)


@pytest.mark.parametrize(
    "data",
    [{"limit": 0}, {"limit": 1001}, {"limit": "5"}, {"limit": True}, {"limit": 1.5}, {"limit": 10**30}, {"sort": "x"}],
)
def test_bad_data_is_refused(registry: Registry, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("node.process.list", data)
    assert list(caught.value.details or ()) == list(data)
