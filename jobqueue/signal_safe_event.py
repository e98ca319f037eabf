"""An event that a signal handler may set."""

from __future__ import annotations

import queue
import threading


class SignalSafeEvent(threading.Event):
    """An event whose ``set`` may be called from a signal handler.

    ``threading.Event.set`` takes a lock, and a handler interrupts the main thread anywhere, also inside ``wait`` or
    ``set`` with that lock held; then it deadlocks. The queue used here supports that case. It cannot be cleared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._raised = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def is_set(self) -> bool:
        return self._raised

    def set(self) -> None:
        self._raised = True
        self._wake.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is set, or for ``timeout`` seconds; returns whether it is set."""
        if not self._raised:
            try:
                self._wake.get(timeout=None if timeout is None else max(0.0, timeout))
            except queue.Empty:
                return self._raised
            self._wake.put(None)  # for other waiting threads
        return self._raised

    def clear(self) -> None:
        raise TypeError("A flag that a signal handler may raise stays raised.")
