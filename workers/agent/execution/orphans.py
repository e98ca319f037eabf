"""What an agent that was killed has left running: its successor on the host ends it."""

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

#: Seconds for which new members of a family are looked for while it is being ended.
_MOST_SECONDS = 10.0
_LOOK_SECONDS = 0.05
#: Two times of one process may differ by the rounding of floats.
_SAME_SECONDS = 0.005


class Orphans:
    """A folder with one file per process family that an agent runs at present, named by the family's mark.

    A killed agent leaves its files behind, and so its successor knows which processes nobody waits for any more: their
    executions are lost, or tried again, maybe elsewhere. What an execution left running on purpose when it ended has no
    file, and is let alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Who writes the files; made with the folder.
        self._own = ""

    @contextlib.contextmanager
    def watched(self, mark: str) -> Iterator[None]:
        """While the block runs, the family with this mark is the agent's."""
        path = self._folder / mark
        try:
            if not self._own:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._own = _self()
            path.write_text(self._own, encoding="ascii")
        except OSError as error:
            logger.warning("If this agent is killed, processes that it started now will stay: %s", error)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def end(self) -> int:
        """End what agents that are gone have left; returns how many processes."""
        marks = {path.name for path in self._files() if not _lives(path)}
        if not marks:
            return 0
        ended: set[int] = set()
        until = time.monotonic() + _MOST_SECONDS
        while (found := _with_marks(marks)) and time.monotonic() < until:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
                    ended.add(process.pid)
            time.sleep(_LOOK_SECONDS)  # they may have forked meanwhile
        if found:
            logger.error("Processes of an agent that was killed cannot be ended: %s", [each.pid for each in found])
        else:
            for mark in marks:
                with contextlib.suppress(OSError):
                    (self._folder / mark).unlink(missing_ok=True)
        if ended:
            logger.warning("Ended %d processes that an agent of this host left when it was killed", len(ended))
        return len(ended)

    def _files(self) -> list[Path]:
        try:
            return list(self._folder.iterdir())
        except FileNotFoundError:
            return []


def _self() -> str:
    """This process, told apart from a later one with its number."""
    return f"{os.getpid()} {_started(psutil.Process())}"


def _started(process: psutil.Process) -> float:
    """Seconds from the host's start to the process's: unlike the time of day, nobody can set that."""
    return process.create_time() - psutil.boot_time()


def _lives(path: Path) -> bool:
    """Whether the agent that wrote a file is still there; it may be on its way out, with its runs in hand."""
    try:
        pid, started = path.read_text(encoding="ascii").split()
        return abs(_started(psutil.Process(int(pid))) - float(started)) < _SAME_SECONDS
    except (OSError, ValueError, psutil.Error):  # half written, or gone
        return False


def _with_marks(marks: set[str]) -> list[psutil.Process]:
    found = []
    for pid in marked(f"{MARK}={mark}" for mark in marks):
        with contextlib.suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found
