"""Whether the agent reads its queues: not while it drains or is cordoned."""

from __future__ import annotations

import logging
import threading
from typing import Any

from jobqueue.model.agent import AgentState

logger = logging.getLogger(__name__)


class Intake:
    """Opens and closes the consumer's queues. The presence thread requests it; the consumer's event loop does it."""

    def __init__(self, queue_names: list[str]) -> None:
        self._queue_names = queue_names
        self._consumer: Any = None
        self._is_open: bool | None = None
        self._lock = threading.Lock()

    def attach(self, consumer: Any) -> None:
        """A consumer was started. Its queues may be outdated; the next state corrects them."""
        with self._lock:
            self._consumer, self._is_open = consumer, None

    def detach(self) -> None:
        """The consumer was stopped."""
        with self._lock:
            self._consumer = None

    def set_state(self, state: AgentState) -> None:
        """Read the queues exactly while the agent is Ready."""
        is_open = state is AgentState.READY
        with self._lock:
            if self._consumer is None or is_open == self._is_open:
                return
            self._is_open = is_open
            change = self._consumer.add_task_queue if is_open else self._consumer.cancel_task_queue
            for name in self._queue_names:
                self._consumer.call_soon(change, name)
        logger.info("This agent %s its queues", "reads" if is_open else "stops reading")
