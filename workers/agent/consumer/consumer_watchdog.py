"""Checks that an agent still polls its broker: a heartbeat alone proves life, not progress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from jobqueue.model.agent import AgentState
from workers.agent.execution.running import RunningSet

logger = logging.getLogger(__name__)

#: Seconds without consumer activity after which it counts as stalled; kombu's own check acts well before.
STALLED_SECONDS = 30.0
_TICK_SECONDS = 1.0


class ConsumerWatchdog:
    """Watches the consumer from outside its event loop; checked with every heartbeat that reaches the ledger.

    A consumer that waits on Redis asks every few seconds; with another broker, its event loop ticks. If neither happens
    for a while although the ledger responds, the agent is Ready and nothing runs, then the consumer has stalled for
    good: ``on_stalled`` is called.
    """

    def __init__(
        self,
        running: RunningSet,
        beat_seconds: Callable[[], float],
        on_stalled: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._running = running
        self._beat_seconds = beat_seconds
        self._on_stalled = on_stalled
        self._clock = clock
        self._consumer: Any = None
        self._timer_entry: Any = None
        self._ticks = 0
        self._lock = threading.Lock()
        self._sign: float | None = None
        self._since = self._looked = float("-inf")

    def attach(self, consumer: Any) -> None:
        """A consumer was started; called in its event loop."""
        with self._lock:
            self._consumer = consumer
            self._timer_entry = consumer.timer.call_repeatedly(_TICK_SECONDS, self._tick)

    def detach(self) -> None:
        """The consumer was stopped: expect no activity."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.timer.cancel(self._timer_entry)
            self._consumer = self._timer_entry = None

    def look(self, state: AgentState) -> None:
        """Check for consumer activity since the last check."""
        now, beat = self._clock(), self._beat_seconds()
        sign = self._newest_sign() if state is AgentState.READY and not len(self._running) else None
        if sign is None or sign != self._sign or now - self._looked > 3 * beat:
            self._sign, self._since = sign, now
        # several checks at least: one may come right after the whole process was suspended
        elif now - self._since >= max(STALLED_SECONDS, 4 * beat):
            logger.critical("The consumer has not polled for messages for %.0f s; it has stalled", now - self._since)
            self._on_stalled()
        self._looked = now

    def _tick(self) -> None:
        self._ticks += 1

    def _newest_sign(self) -> float | None:
        with self._lock:
            if self._consumer is None:
                return None
            channel = getattr(self._consumer.task_consumer, "channel", None)
        # kombu records when it last polled Redis; other transports do not
        sent_at = getattr(channel, "_brpop_sent_at", None)
        return float(self._ticks) if sent_at is None else float(sent_at)
