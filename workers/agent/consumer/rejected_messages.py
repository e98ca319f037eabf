"""Reports foreign messages in this agent's queues: in the log, as an alert, and as a count."""

from __future__ import annotations

import logging
import threading

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Executions
from jobqueue.model.alert import MESSAGES_REFUSED

logger = logging.getLogger(__name__)

#: Minimum seconds between two log lines and between two alerts.
PAUSE_SECONDS = 1.0
#: Characters shown of a rejected message.
LONGEST_EXCERPT = 120


class RejectedMessages(threading.Thread):
    """Recorded by the event loop, reported by this thread: a flooded queue blocks neither the loop nor the ledger."""

    def __init__(self, executions: Executions, hostname: str) -> None:
        super().__init__(name="rejected-messages", daemon=True)
        self._executions = executions
        self._hostname = hostname
        self._lock = threading.Lock()
        self._count, self._newest = 0, ""
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def note(self, queue: str, why: str, excerpt: bytes | str) -> None:
        """Record a dropped message."""
        shown = repr(excerpt[:LONGEST_EXCERPT])
        with self._lock:
            self._count += 1
            self._newest = (
                f"A message in the queue {queue} is not from jobqueue and was dropped: {why}. It begins with {shown}"
            )
        self._wake.set()

    def stop(self) -> None:
        """Report the remaining messages and end."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._wake.clear()
            self.report()
            self._stopped.wait(PAUSE_SECONDS)
        self.report()

    def report(self) -> None:
        """Report what was recorded since the last report; if the ledger is unavailable, the next report includes it."""
        with self._lock:
            count, text = self._count, self._newest
            self._count = 0
        if not count:
            return
        more = f" (and {count - 1} more)" if count > 1 else ""
        logger.error("SECURITY: %s%s", text, more)
        try:
            self._executions.note_alert(MESSAGES_REFUSED, "", self._hostname, text + more, count)
        except LedgerUnavailable as error:
            logger.warning("The alert could not be stored yet: %s", error)
            with self._lock:
                self._count += count
            if not self._stopped.is_set():
                self._wake.set()
