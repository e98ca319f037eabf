"""An agent's shutdown: running executions finish, are handed back, or are abandoned, within a bounded time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from jobqueue.signal_safe_event import SignalSafeEvent
from workers.agent.execution.executor import Executor
from workers.agent.execution.running import STOP_GRACE_SECONDS, RunningSet

logger = logging.getLogger(__name__)

#: Seconds that running executions get to finish once the agent is asked to stop.
SHUTDOWN_GRACE_SECONDS = 5.0
#: Seconds that the process gets to end once no execution is running.
END_SECONDS = 5.0
_LOOK_SECONDS = 0.05


class GracefulShutdown(threading.Thread):
    """Bounds a shutdown: running executions get time to finish, are then stopped, and finally abandoned.

    A thread that ignores the stop request, or an event loop that hangs, would block the process indefinitely, so the
    process is ended anyway. By then every execution has been reported, or its lease expires.

    The thread is started in advance, and ``begin`` and ``hurry`` only set flags, so signal handlers may call them.
    """

    def __init__(
        self,
        running: RunningSet,
        executor: Executor,
        closing: threading.Event,
        leave: Callable[[], None],
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """``leave`` reports the agent's departure to the ledger; ``end`` ends the process at once with an exit code."""
        super().__init__(name="hand-back", daemon=True)
        self._running = running
        self._executor = executor
        self._closing = closing
        self._leave = leave
        self._end = end
        #: Set when the shutdown begins.
        self.begun = SignalSafeEvent()
        self._hurry = SignalSafeEvent()
        self._ended = threading.Event()

    @property
    def has_begun(self) -> bool:
        return self.begun.is_set()

    def begin(self) -> None:
        """Begin the shutdown."""
        self.begun.set()

    def hurry(self) -> None:
        """Stop running executions now instead of letting them finish."""
        self._hurry.set()

    def ended(self) -> None:
        """The worker has ended; the process may end too."""
        self._ended.set()
        self.begun.set()

    def run(self) -> None:
        self.begun.wait()
        if not self._ended.is_set():
            logger.info("This agent is stopping; running executions have %g s to finish", SHUTDOWN_GRACE_SECONDS)
        if not self._is_idle_within(SHUTDOWN_GRACE_SECONDS, self._hurry):
            logger.warning("%d executions are still running; stopping them", len(self._running))
            if not self._is_idle_within(STOP_GRACE_SECONDS, stop=True):
                self._closing.set()
                for execution in self._running.all():
                    if not execution.ended:
                        self._executor.give_up(execution)
                self._end_process()
                return
        if not self._ended.wait(END_SECONDS):
            logger.error("Nothing is running, but the worker does not end; ending the process")
            self._closing.set()
            self._end_process()

    def _end_process(self) -> None:
        self._leave()
        logging.shutdown()
        self._end(1)

    def _is_idle_within(self, seconds: float, hurry: threading.Event | None = None, *, stop: bool = False) -> bool:
        end = time.monotonic() + seconds
        is_over = False
        while len(self._running) and not is_over and not (hurry and hurry.is_set()):
            is_over = time.monotonic() >= end  # checked first, so that the steps below happen at least once
            if stop:  # every turn: a claim in progress may have turned into a run
                for execution in self._running.all():
                    execution.ask_to_stop("shutdown")
            time.sleep(_LOOK_SECONDS)
        return not len(self._running)
