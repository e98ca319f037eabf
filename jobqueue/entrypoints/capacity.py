"""The host's CPUs and memory, given to entrypoints that ask for them."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator

import psutil

from jobqueue.entrypoints.failure import UNSCHEDULABLE, failed

#: How soon a waiting run sees that it should stop.
_TICK_SECONDS = 0.2
#: Fractions of a CPU are summed in millionths, so that ten tenths are one.
_PARTS = 1_000_000


class Capacity:
    """CPUs and bytes of memory of which runs reserve a share, first come, first served.

    A run that waits is not overtaken by a smaller one behind it: else a large one might wait for ever.
    """

    def __init__(self, cpus: float, memory: int) -> None:
        self.cpus = cpus
        self.memory = memory
        self._free = (round(cpus * _PARTS), memory)
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, cpus: float, memory: int, check: Callable[[], None], waits: Callable[[], None]) -> Iterator[None]:
        """Hold ``cpus`` and ``memory`` (bytes) while the block runs.

        ``waits`` is called once if they are not free yet, ``check`` often while they are not; its exception ends the
        wait. Raises ``OperationFailed`` at once for more than the host has.
        """
        wanted = (round(cpus * _PARTS), memory)
        if wanted == (0, 0):
            yield
            return
        self._check_possible(cpus, memory)
        self._take(wanted, check, waits)
        try:
            yield
        finally:
            with self._changed:
                self._free = (self._free[0] + wanted[0], self._free[1] + wanted[1])
                self._changed.notify_all()

    def _check_possible(self, cpus: float, memory: int) -> None:
        for what, is_too_much in (
            (f"{cpus:g} CPUs", cpus > self.cpus),
            (f"{memory} bytes of memory", memory > self.memory),
        ):
            if is_too_much:
                message = (
                    f"The entrypoint asks for {what}, but this host has {self.cpus:g} CPUs and {self.memory} bytes."
                )
                raise failed(UNSCHEDULABLE, message)

    def _take(self, wanted: tuple[int, int], check: Callable[[], None], waits: Callable[[], None]) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            if self._take_if_first(ticket, wanted):
                return
        try:
            waits()
            while True:
                check()
                with self._changed:
                    if self._take_if_first(ticket, wanted):
                        return
                    self._changed.wait(_TICK_SECONDS)
        except BaseException:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()
            raise

    def _take_if_first(self, ticket: object, wanted: tuple[int, int]) -> bool:
        cpus, memory = self._free
        if self._queue[0] is not ticket or wanted[0] > cpus or wanted[1] > memory:
            return False
        self._free = (cpus - wanted[0], memory - wanted[1])
        self._queue.popleft()
        self._changed.notify_all()
        return True


@functools.cache
def of_host() -> Capacity:
    """This host's, shared by everything that this agent runs."""
    return Capacity(float(psutil.cpu_count() or 1), psutil.virtual_memory().total)
