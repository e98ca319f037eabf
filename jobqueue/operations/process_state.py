"""The state of a process, without its command line: reading about a host needs no more than a read permission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.model.timestamps import to_iso
from jobqueue.operations.text import clean

#: The attributes that psutil reads for it.
ATTRIBUTES = ("pid", "ppid", "name", "username", "status", "memory_info", "cpu_times", "create_time")


def process_state(info: Mapping[str, Any]) -> dict[str, Any]:
    """One process; values that the agent's user may not read are null (zero in sums)."""
    times, memory, created = info["cpu_times"], info["memory_info"], info["create_time"]
    return {
        "pid": info["pid"],
        "ppid": info["ppid"],
        "name": clean(info["name"] or ""),
        "user": clean(info["username"]) if info["username"] else None,
        "status": info["status"],
        "memory": memory.rss if memory else 0,
        "cpu_seconds": round(times.user + times.system, 2) if times else 0.0,
        "started_at": to_iso(int(created * 1_000_000)) if created else None,
    }
