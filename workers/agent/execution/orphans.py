"""Orphaned processes of a killed agent: its successor on the host ends them."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from jobqueue.operations.process.family import MARK
from jobqueue.process_marks import marked

logger = logging.getLogger(__name__)

#: Seconds to keep looking for new processes of a family while it is being ended.
_MOST_SECONDS = 10.0
_LOOK_SECONDS = 0.05
#: Tolerance in seconds: two readings of one start time may differ by rounding.
_SAME_SECONDS = 0.005


class Orphans:
    """A folder with one file per running process family, named by the family's mark.

    A killed agent leaves its files behind, so its successor can identify orphaned processes, whose executions are lost
    or retried, maybe elsewhere. Processes that an execution deliberately left running have no file and are not touched.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The identity of the process that writes the files.
        self._own = ""

    @contextlib.contextmanager
    def watched(self, mark: str) -> Iterator[None]:
        """Register the family with this mark while the block runs."""
        path = self._folder / mark
        try:
            if not self._own:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._own = _self()
            path.write_text(self._own, encoding="ascii")
        except OSError as error:
            logger.warning("If this agent is killed, processes that it starts now will keep running: %s", error)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def end(self) -> int:
        """End the processes that dead agents left; returns their number."""
        marks = {path.name for path in self._files() if not _lives(path)}
        if not marks:
            return 0
        ended: set[int] = set()
        until = time.monotonic() + _MOST_SECONDS
        while (processes := _with_marks(marks)) and time.monotonic() < until:
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.kill()
                    ended.add(process.pid)
            time.sleep(_LOOK_SECONDS)  # they may have forked meanwhile
        if processes:
            logger.error("Orphaned processes of a killed agent cannot be ended: %s", [each.pid for each in processes])
        else:
            for mark in marks:
                with contextlib.suppress(OSError):
                    (self._folder / mark).unlink(missing_ok=True)
        if ended:
            logger.warning("Ended %d orphaned processes of a killed agent of this host", len(ended))
        return len(ended)

    def _files(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []


def _self() -> str:
    """This process's identity, which differs from that of a later process with the same pid."""
    return f"{os.getpid()} {_started(psutil.Process())}"


def _started(process: psutil.Process) -> float:
    """Seconds from the host's boot to the process's start; unlike the wall clock, it cannot be set."""
    return process.create_time() - psutil.boot_time()


def _lives(path: Path) -> bool:
    """Whether the agent that wrote a file is still alive; it may be shutting down with runs in progress."""
    try:
        pid, started = path.read_text(encoding="ascii").split()
        return abs(_started(psutil.Process(int(pid))) - float(started)) < _SAME_SECONDS
    except (OSError, ValueError, psutil.Error):  # half written, or gone
        return False


def _with_marks(marks: set[str]) -> list[psutil.Process]:
    processes = []
    for pid in marked(f"{MARK}={mark}" for mark in marks):
        with contextlib.suppress(psutil.Error):
            processes.append(psutil.Process(pid))
    return processes
