"""Results on their way to the ledger: those that come within two milliseconds are stored in one round trip."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Report
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.running import RunningExecution, RunningSet

logger = logging.getLogger(__name__)

#: Seconds for which a result waits for others at most.
WAIT_SECONDS = 0.002
#: Results, and bytes of them, that are sent together at most: a call must not keep Redis from others for long.
MOST_TOGETHER = 16
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class _Result:
    report: Report
    running: RunningExecution | None
    stored: Callable[[str], None]


class ResultBuffer(threading.Thread):
    """Stores results. A result waits only while other executions run that may end at the same time.

    The thread that brings the last of them stores all; this thread stores what has waited for ``WAIT_SECONDS``.
    """

    def __init__(self, ledger: AgentLedger, running: RunningSet) -> None:
        super().__init__(name="results", daemon=True)
        self._ledger = ledger
        self._running = running
        self._lock = threading.Lock()
        self._waiting: list[_Result] = []
        #: Results that some thread is storing.
        self._in_storing = 0
        self._wake = threading.Event()
        self._is_stopped = False

    def put(self, report: Report, running: RunningExecution | None, stored: Callable[[str], None]) -> None:
        """Store a result, here or soon in another thread, which then calls ``stored`` with the outcome, for the log."""
        with self._lock:
            self._waiting.append(_Result(report, running, stored))
            is_first = len(self._waiting) == 1
            is_last = len(self._waiting) + self._in_storing >= len(self._running)
        if is_last or self._is_stopped:
            self.store()
        elif is_first:
            self._wake.set()

    def store(self) -> None:
        """Store all results that wait."""
        while results := self._taken():
            try:
                self._store(results)
            finally:
                with self._lock:
                    self._in_storing -= len(results)

    def stop(self) -> None:
        """End the thread; results that come later are stored at once."""
        self._is_stopped = True
        self._wake.set()

    def run(self) -> None:
        while not self._is_stopped:
            self._wake.wait()
            self._wake.clear()
            time.sleep(WAIT_SECONDS)
            self.store()

    def _taken(self) -> list[_Result]:
        with self._lock:
            number = size = 0
            for result in self._waiting[:MOST_TOGETHER]:
                size += len(result.report.out)
                if number and size > _MOST_BYTES:
                    break
                number += 1
            results, self._waiting = self._waiting[:number], self._waiting[number:]
            self._in_storing += number
            return results

    def _store(self, results: list[_Result]) -> None:
        outcomes: list[str] = []
        try:
            outcomes = self._ledger.store([(result.report, result.running) for result in results])
        except LedgerUnavailable:
            logger.error(
                "The results of %d jobs could not be stored before the shutdown; their leases will expire", len(results)
            )
        except Exception:
            logger.exception("The results of %d jobs could not be stored", len(results))
        for number, result in enumerate(results):
            result.stored(outcomes[number] if outcomes else "unreported")
