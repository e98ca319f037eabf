"""Turns of threads that share a few connections: first come, first served, the urgent ones before the others."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class _Turn:
    """The block of ``Turns.take``: a class, since each call of the ledger passes through one."""

    __slots__ = ("_turns", "_urgent")

    def __init__(self, turns: Turns, urgent: bool) -> None:
        self._turns = turns
        self._urgent = urgent

    def __enter__(self) -> None:
        self._turns.begin(urgent=self._urgent)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._turns.end()


class _Unbounded:
    """The block of ``Turns.take`` where there are turns for all."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


_UNBOUNDED = _Unbounded()


class Turns:
    """At most ``most`` turns at the same time; None: any number. Thread-safe."""

    def __init__(self, most: int | None) -> None:
        self._is_bounded = most is not None
        self._free = most or 0
        self._lock = threading.Lock()
        self._urgent: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()

    def take(self, *, urgent: bool = False) -> _Turn | _Unbounded:
        """Wait for a turn, and end it with the block. A turn must be bounded in time."""
        return _Turn(self, urgent) if self._is_bounded else _UNBOUNDED

    def begin(self, *, urgent: bool = False) -> None:
        """Wait for a turn, which ``end`` ends."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = threading.Lock()
            gate.acquire()
            (self._urgent if urgent else self._others).append(gate)
        try:
            gate.acquire()  # until the end of another turn hands it over
        except BaseException:  # a signal handler ended the wait
            self._give_up(gate)
            raise

    def _give_up(self, gate: threading.Lock) -> None:
        with self._lock:
            for waiting in (self._urgent, self._others):
                if gate in waiting:
                    waiting.remove(gate)
                    return
        self.end()  # the turn had just been handed over

    def end(self) -> None:
        """Hand the turn over to the next one that waits."""
        with self._lock:
            waiting = self._urgent or self._others
            if waiting:
                waiting.popleft().release()
            else:
                self._free += 1
