"""Processes found by a mark in their environment, which their child processes inherit.

Only the standard library where there is a /proc: the watchdog of ``up`` runs without the packages of the virtual
environment, and every child process of an isolated operation would pay for psutil.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def marked(marks: Iterable[str]) -> set[int]:
    """The ids of the processes with one of ``marks`` (``NAME=value``) in their environment; zombies have none.

    Those of other users are seen by root only.
    """
    encoded = set(map(os.fsencode, marks))
    if not (_PROC / "self" / "environ").exists():
        return _marked_elsewhere(encoded)
    pids = set()
    for entry in _PROC.glob("[0-9]*/environ"):
        try:
            variables = entry.read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended, or belongs to another user
        if not encoded.isdisjoint(variables):
            pids.add(int(entry.parent.name))
    return pids


def _marked_elsewhere(encoded: set[bytes]) -> set[int]:
    import psutil

    pids = set()
    for process in psutil.process_iter():
        try:
            variables = {os.fsencode(f"{key}={value}") for key, value in process.environ().items()}
        except (psutil.Error, OSError):
            continue
        if not encoded.isdisjoint(variables):
            pids.add(process.pid)
    return pids
