"""Tells of what was in a queue of this agent and is no message of ours: in the log, as an alert, and counted."""

from __future__ import annotations

import logging
import threading

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Executions
from jobqueue.model.alert import MESSAGES_REFUSED

logger = logging.getLogger(__name__)

#: Seconds between two lines in the log, and two alerts, however many come.
PAUSE_SECONDS = 1.0
#: Characters that are shown of what came.
LONGEST_EXCERPT = 120


class RejectedMessages(threading.Thread):
    """Noted by the event loop, told by this thread: who floods a queue holds up neither the loop nor the ledger."""

    def __init__(self, executions: Executions, hostname: str) -> None:
        super().__init__(name="strangers", daemon=True)
        self._executions = executions
        self._hostname = hostname
        self._lock = threading.Lock()
        self._count, self._newest = 0, ""
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def note(self, queue: str, why: str, excerpt: bytes | str) -> None:
        """One more was dropped."""
        shown = repr(excerpt[:LONGEST_EXCERPT])
        with self._lock:
            self._count += 1
            self._newest = f"A message in the queue {queue} is not ours and was dropped: {why}. It begins with {shown}"
        self._wake.set()

    def stop(self) -> None:
        """Tell what is left, and end."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            self.tell()
            self._stopped.wait(PAUSE_SECONDS)
        self.tell()

    def tell(self) -> None:
        """Tell what was noted since the last time; what the ledger cannot be told now is counted the next time."""
        with self._lock:
            count, text = self._count, self._newest
            self._count = 0
        if not count:
            return
        more = f" (and {count - 1} more)" if count > 1 else ""
        logger.error("SECURITY: %s%s", text, more)
        try:
            self._executions.note(MESSAGES_REFUSED, "", self._hostname, text + more, count)
        except LedgerUnavailable as error:
            logger.warning("The alert could not be kept yet: %s", error)
            with self._lock:
                self._count += count
            if not self._stopped.is_set():
                self._wake.set()
