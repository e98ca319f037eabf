"""The end of an agent: what it runs is finished, handed back, or given up, within a bounded time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from workers.executor import Executor
from workers.held import STOP_GRACE_SECONDS, Held

logger = logging.getLogger(__name__)

#: Seconds that running executions get to finish once the agent is asked to stop.
SHUTDOWN_GRACE_SECONDS = 5.0


class HandBack(threading.Thread):
    """Sees to it that a shutdown ends: what runs may finish for a while, is then stopped, and at last given up.

    A thread that ignores all of that would keep the process for ever, so the process is ended under it; by then
    everything it held has been reported, or its lease runs out.
    """

    def __init__(self, held: Held, executor: Executor, closing: threading.Event, leave: Callable[[], None]) -> None:
        super().__init__(name="hand-back", daemon=True)
        self._held = held
        self._executor = executor
        self._closing = closing
        self._leave = leave

    def run(self) -> None:
        if self._is_idle_within(SHUTDOWN_GRACE_SECONDS):
            return
        running = self._held.all()
        logger.warning("%d executions still run after %g s; they are stopped", len(running), SHUTDOWN_GRACE_SECONDS)
        for one in running:
            one.ask_to_stop("shutdown")
        if self._is_idle_within(STOP_GRACE_SECONDS):
            return
        self._closing.set()
        for one in self._held.all():
            if not one.ended:
                self._executor.give_up(one)
        self._leave()
        logging.shutdown()
        os._exit(1)

    def _is_idle_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while len(self._held) and time.monotonic() < end:
            time.sleep(0.05)
        return not len(self._held)
