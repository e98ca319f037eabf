"""The guard: stops what ``jobqueue up`` started when ``up`` itself can no longer do so.

Run beside ``up``, in a session of its own, reading lines of JSON from ``up`` through a pipe::

    {"add": pid, "stage": n}    a child leads the process group pid; lower stages stop first
    {"drop": pid}               that child has ended
    {"mark": "NAME=value"}      every process that ``up`` started, or that those did, has it in its environment
    {"tree": path}              a directory to remove in the end
    {"done": true}              all was stopped in order: nothing is left to do

The pipe ends when ``up`` does, even by SIGKILL. Without a ``done`` before, the guard ends each stage by SIGTERM and
then SIGKILL. A death signal set on each child (PR_SET_PDEATHSIG) could neither keep that order nor reach a child's
children.

Only the standard library, so that it starts fast and without the packages of the virtual environment.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jobqueue.process_marks import marked

GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


def processes() -> dict[int, tuple[int, int]]:
    """Every process except zombies: pid -> (parent, group). Empty without a /proc."""
    processes_by_pid = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the name, in parentheses, may hold anything; the fields are after the last one: state, parent, group
            state, parent, group = entry.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # the process has just ended
        if state != "Z":
            processes_by_pid[int(entry.parent.name)] = (int(parent), int(group))
    return processes_by_pid


def descendants(roots: Iterable[int]) -> set[int]:
    """All descendants of ``roots``, in any process group."""
    table = processes()
    pids: set[int] = set()
    layer = set(roots)
    while layer:
        layer = {pid for pid, (parent, _) in table.items() if parent in layer} - pids
        pids |= layer
    return pids


def end_processes(pids: Iterable[int]) -> None:
    """SIGKILL to each of ``pids`` that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def signal_group(group: int, number: int) -> None:
    """Send a signal to a process group that may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    table = processes()
    if table:
        return pid in table
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_stage(leaders: set[int]) -> None:
    for leader in leaders:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(leader, signal.SIGTERM)  # the leader only: it knows how to stop its own children
    deadline = time.monotonic() + GRACE_SECONDS
    while any(is_running(leader) for leader in leaders) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    strays = descendants(leaders)
    for group in leaders:
        signal_group(group, signal.SIGKILL)
    end_processes(strays)


def main() -> None:
    """Follow ``up`` until it ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end of the pipe is the only reason to act
    stages: dict[int, int] = {}
    trees: list[str] = []
    marks: list[str] = []
    for line in sys.stdin:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # `up` ended within a line
        if "add" in message:
            stages[message["add"]] = message["stage"]
        stages.pop(message.get("drop"), None)
        if "mark" in message:
            marks.append(message["mark"])
        if "tree" in message:
            trees.append(message["tree"])
        if "done" in message:
            return
    for stage in sorted(set(stages.values())):
        _end_stage({leader for leader, its_stage in stages.items() if its_stage == stage})
    end_processes(marked(marks))
    for tree in trees:
        shutil.rmtree(tree, ignore_errors=True)
