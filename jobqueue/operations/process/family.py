"""Finds all processes that a run has started, to stop them."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from jobqueue.process_marks import marked

# psutil is imported where it is used: every child process of an isolated operation would pay for it
if TYPE_CHECKING:
    import psutil

#: Environment variable that marks every process of one run, so that those that left its group are found too.
MARK = "_JOBQUEUE_RUN"


class Family:
    """A process that leads its own group, and everything it started.

    The group holds all but the processes that moved to another one (``setsid``, daemons). Those are found through
    their parents or, when the parents are gone, through the mark in their environment. A process that both
    cut its ancestry and cleared its environment escapes.
    """

    def __init__(self, leader: int, mark: str) -> None:
        self._leader = leader
        self._mark = mark

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to all of them. Call it only before the leader is reaped: until then its id is not reused."""
        import psutil

        strays = self._strays()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, number)
        for process in strays:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def is_gone(self) -> bool:
        """Whether all processes but the leader have ended."""
        return not self._strays(include_group=True)

    def _strays(self, include_group: bool = False) -> list[psutil.Process]:
        import psutil

        processes: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            processes = {child.pid: child for child in psutil.Process(self._leader).children(recursive=True)}
        with_mark = marked([f"{MARK}={self._mark}"])
        for pid in psutil.pids():
            if pid in processes or pid in (self._leader, os.getpid()):
                continue
            with contextlib.suppress(psutil.Error, OSError):
                if pid in with_mark or os.getpgid(pid) == self._leader:
                    processes[pid] = psutil.Process(pid)
        return [process for process in processes.values() if self._counts(process, include_group)]

    def _counts(self, process: psutil.Process, include_group: bool) -> bool:
        import psutil

        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return include_group or os.getpgid(process.pid) != self._leader
        except (psutil.Error, OSError):
            return False
