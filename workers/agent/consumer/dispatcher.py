"""Runs the executions whose messages arrive: claimed together, each in a thread of its own.

Celery's own way of a message to a thread (a request object, its tracing, its signals) takes longer than a trivial job.
It is still taken where Celery's events are wanted, and with a broker that needs acknowledgements.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jobqueue import logs
from jobqueue.dispatch.message_parser import Task
from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Claim
from jobqueue.model.target import ANY
from workers.agent.execution.executor import Executor
from workers.agent.execution.results import MOST_TOGETHER
from workers.agent.execution.running import RunningSet
from workers.agent.own_metrics import OWN_METRICS
from workers.agent.spread import claim_pause

logger = logging.getLogger(__name__)


class Dispatcher:
    """The threads of an agent. ``take`` is called in the consumer's event loop, and never waits."""

    def __init__(
        self,
        executor: Executor,
        running: RunningSet,
        most: int,
        fleet_size: Callable[[], int],
        stopping: threading.Event,
    ) -> None:
        """``most``: executions at the same time; ``fleet_size``: how many agents there are, 0 if it is not known."""
        self._executor = executor
        self._running = running
        self._most = most
        self._fleet_size = fleet_size
        self._stopping = stopping
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="execution")
        self._lock = threading.Lock()
        self._wake: Callable[[], object] | None = None
        #: The event loop reads no message until an execution has ended.
        self._is_full = False
        self._unfinished = 0
        self._is_empty = threading.Condition(self._lock)
        self._submit(_nothing)  # one thread at least, whatever the host's limits are later

    def attach(self, consumer: Any) -> None:
        """A consumer was started: it reads messages only while a thread is free."""
        consumer.task_consumer.channel.qos.can_consume = self.has_room
        with self._lock:
            self._wake = lambda: consumer.call_soon(_nothing)

    def detach(self) -> None:
        """The consumer was stopped."""
        with self._lock:
            self._wake = None

    def has_room(self) -> bool:
        """Whether another message may be read; if not, the event loop is woken as soon as one may."""
        with self._lock:
            self._is_full = self._unfinished >= self._most
            return not self._is_full

    def room(self) -> int:
        """How many messages may be read at once: one for each free thread, and a bounded number."""
        with self._lock:
            return min(self._most - self._unfinished, MOST_TOGETHER)

    def readers(self, slot: str | None) -> int:
        """How many agents read the queue of a slot; 0 if it is not known."""
        return self._fleet_size() if slot == ANY else 1

    def take(self, tasks: Sequence[Task]) -> None:
        """Run what these messages name, if it is still due; a stopping agent gives it back."""
        with self._lock:
            self._unfinished += len(tasks)
        self._running.claims_begun(len(tasks))
        at_once = [task for task in tasks if task.spread == 1]
        if at_once:
            self._submit(self._claim, at_once)
        for task in tasks:
            if task.spread > 1:
                self._submit(self._claim, [task], claim_pause(task.spread))

    def close(self) -> None:
        """Wait until nothing runs any more, and end the threads."""
        with self._is_empty:
            self._is_empty.wait_for(lambda: not self._unfinished)
        self._pool.shutdown()

    def _submit(self, work: Callable[..., None], *args: Any) -> None:
        """Have a thread of the pool do it: a new one, or the next that is free if the host allows no further one."""
        try:
            self._pool.submit(work, *args)
        except RuntimeError as error:  # it is in the pool's queue by then
            logger.warning("No further thread can be started, so that work waits for the others: %s", error)

    def _claim(self, tasks: Sequence[Task], pause: float = 0.0) -> None:
        if pause:  # the other hosts of a broadcast got their messages at the same moment
            self._stopping.wait(pause)
        claims: list[Claim | str] = []
        try:
            claims = self._executor.claim(tasks, gives_back=self._stopping.is_set())
        except LedgerUnavailable:
            logger.warning("%d messages were not claimed before the shutdown; they will be sent again", len(tasks))
        except Exception:
            logger.exception("%d messages could not be claimed; they will be sent again", len(tasks))
        claimed = [claim for claim in claims if isinstance(claim, Claim)]
        for outcome in claims or ["dropped: unavailable"] * len(tasks):
            if not isinstance(outcome, Claim):
                self._ended(outcome)
        for claim in claimed[1:]:
            self._submit(self._run, claim)
        if claimed:
            self._run(claimed[0])

    def _run(self, claim: Claim) -> None:
        with logs.bound(job_id=claim.job_id):
            try:
                self._executor.run(claim, self._ended)
            except Exception:
                logger.exception("Job %s could not be run", claim.job_id)

    def _ended(self, outcome: str) -> None:
        OWN_METRICS.ended(outcome)
        with self._is_empty:
            self._unfinished -= 1
            if not self._unfinished:
                self._is_empty.notify_all()
            wake = self._wake if self._is_full and self._unfinished < self._most else None
            if wake is not None:
                self._is_full = False
        if wake is not None:
            wake()


def _nothing() -> None:
    """What the event loop is woken for, to look whether it may read again; what starts the first thread."""
