"""What an agent runs right now."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from jobqueue.store.executions import Grant


@dataclass(eq=False)
class Running:
    """One execution in progress. ``stop`` asks it to end; ``reason`` says why: cancel, stale or shutdown."""

    grant: Grant
    stop: threading.Event = field(default_factory=threading.Event)
    reason: str = ""
    since: float = field(default_factory=time.monotonic)

    def ask_to_stop(self, reason: str) -> None:
        """Ask once; the first reason stays."""
        if not self.stop.is_set():
            self.reason = reason
            self.stop.set()


class Held:
    """The executions in progress. Thread-safe; iteration sees a moment's copy."""

    def __init__(self) -> None:
        self._running: set[Running] = set()
        self._lock = threading.Lock()

    def add(self, running: Running) -> None:
        with self._lock:
            self._running.add(running)

    def remove(self, running: Running) -> None:
        with self._lock:
            self._running.discard(running)

    def all(self) -> list[Running]:
        with self._lock:
            return list(self._running)

    def __len__(self) -> int:
        return len(self._running)
