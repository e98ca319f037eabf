"""The host itself: name, state, load, memory, disks, processes. All of it is read only."""

from __future__ import annotations

import platform
from typing import Any

import psutil
from marshmallow import validate

from jobqueue.operations.base import operation
from jobqueue.operations.builtin import host
from jobqueue.operations.context import Context
from jobqueue.operations.process_state import ATTRIBUTES, process_state
from jobqueue.operations.schema import Schema, Text, Whole

_READ = "agent:read"
_SORTS = {
    "memory": lambda entry: -entry["memory"],
    "cpu": lambda entry: -entry["cpu_seconds"],
    "pid": lambda entry: entry["pid"],
    "name": lambda entry: (entry["name"], entry["pid"]),
}


@operation("node.hostname.get", permission=_READ)
def hostname_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The agent's name, the machine's own, and the agent's labels."""
    return {
        "hostname": context.hostname,
        "system_hostname": host.system_hostname(),
        "labels": dict(context.labels),
    }


@operation("node.status.get", permission=_READ)
def status_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The whole state of the host: system, uptime, load, memory, disks, conditions."""
    return {
        "hostname": context.hostname,
        "os": _system(),
        "uptime": host.uptime(),
        "load": _load(),
        "memory": _memory(),
        "disks": host.disks(),
        "conditions": list(host.conditions()),
    }


@operation("node.uptime.get", permission=_READ)
def uptime_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Seconds since the host booted, and when that was."""
    return host.uptime()


@operation("node.load.get", permission=_READ)
def load_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Load averages over 1, 5 and 15 minutes, and the number of CPUs."""
    return _load()


@operation("node.memory.get", permission=_READ)
def memory_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Memory and swap, in bytes, and how much of them is used, in percent."""
    return _memory()


@operation("node.disk.get", permission=_READ)
def disk_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Local file systems that can be written to, with sizes in bytes."""
    return {"disks": host.disks()}


@operation("node.os.get", permission=_READ)
def os_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Operating system, kernel and architecture."""
    return _system()


class ProcessListSchema(Schema):
    limit = Whole(
        load_default=100, validate=validate.Range(1, 1000), metadata={"description": "Maximum number of processes."}
    )
    sort = Text(load_default="memory", validate=validate.OneOf(list(_SORTS)))
    name = Text(
        validate=validate.Length(1, 200), metadata={"description": "Only processes whose name contains this text."}
    )


@operation("node.process.list", schema=ProcessListSchema, permission=_READ)
def process_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Running processes, sorted by memory unless requested otherwise.

    Command lines are left out: they often contain passwords, and reading about a host needs only a read permission.
    """
    processes = []
    for process in psutil.process_iter(list(ATTRIBUTES)):
        context.check()
        entry = process_state(process.info)
        if data.get("name", "") in entry["name"]:
            processes.append(entry)
    processes.sort(key=_SORTS[data["sort"]])
    return {"total": len(processes), "processes": processes[: data["limit"]]}


def _system() -> dict[str, Any]:
    return {**host.os_release(), "kernel": platform.release(), "arch": platform.machine()}


def _load() -> dict[str, Any]:
    one, five, fifteen = host.load()
    return {"load1": one, "load5": five, "load15": fifteen, "cpus": psutil.cpu_count() or 1}


def _memory() -> dict[str, Any]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "total": memory.total,
        "available": memory.available,
        "used": memory.used,
        "free": memory.free,
        "percent": memory.percent,
        "swap": {"total": swap.total, "used": swap.used, "free": swap.free, "percent": swap.percent},
    }
