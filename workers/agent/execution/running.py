"""The executions that an agent is running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jobqueue.ledger.executions import Claim
from workers.agent.guard.operation_guard import Permit
from workers.agent.guard.work_admission import JournalEntry

#: Seconds that an operation gets to end after its deadline or a stop request. Processes are killed after three; an
#: operation that runs in a thread and ignores both cannot be ended, only abandoned.
STOP_GRACE_SECONDS = 5.0


@dataclass(eq=False)
class RunningExecution:
    """One execution in progress; times in seconds of ``time.monotonic()``.

    ``stop`` asks it to end; ``reason`` says why: cancel, stale or shutdown. ``abandoned``: it ignored the stop request
    or its deadline and was reported so; its late result is dropped. ``ended``: only its report is still due.
    ``info`` is the operation's progress report; ``is_idle``: it has begun nothing yet. ``permit`` holds the host's
    policy for the run; None: the operation is not known here. ``verification`` is that of the operation that verifies
    the run. ``journal_entry`` is that of the run.
    ``timeout_seconds`` is the timeout that set ``deadline``.
    """

    claim: Claim
    document: Mapping[str, Any]
    permit: Permit | None
    journal_entry: JournalEntry
    timeout_seconds: float | None = None
    since: float = field(default_factory=time.monotonic)
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    reason: str = ""
    asked_at: float | None = None
    abandoned: bool = False
    ended: bool = False
    info: Mapping[str, Any] | None = None
    is_idle: bool = False
    verification: Permit | None = None

    def ask_to_stop(self, reason: str) -> None:
        """Request a stop; the first reason is kept."""
        if not self.stop.is_set():
            self.reason = reason
            self.asked_at = time.monotonic()
            self.stop.set()

    def is_overdue(self, now: float) -> bool:
        """Whether it should have ended a while ago."""
        if self.ended or self.abandoned:
            return False
        ends = [end for end in (self.deadline, self.asked_at) if end is not None]
        return bool(ends) and now > min(ends) + STOP_GRACE_SECONDS


class RunningSet:
    """The executions in progress. Thread-safe; its length includes claims in progress."""

    def __init__(self) -> None:
        self._running: set[RunningExecution] = set()
        self._claiming = 0
        self._lock = threading.Lock()

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Count a claim in progress, which may turn into a run at any moment."""
        self.claims_begun(1)
        try:
            yield
        finally:
            self.claims_ended(1)

    def claims_begun(self, number: int) -> None:
        """Count claims in progress until ``claims_ended``, which another thread may call."""
        with self._lock:
            self._claiming += number

    def claims_ended(self, number: int) -> None:
        with self._lock:
            self._claiming -= number

    def add(self, running: RunningExecution) -> None:
        with self._lock:
            self._running.add(running)

    def remove(self, running: RunningExecution) -> None:
        with self._lock:
            self._running.discard(running)

    def all(self) -> list[RunningExecution]:
        with self._lock:
            return list(self._running)

    def __len__(self) -> int:
        with self._lock:
            return len(self._running) + self._claiming
