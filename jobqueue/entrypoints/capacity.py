"""Reserves the host's CPUs, memory and declared resources for entrypoints."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import psutil

from jobqueue.entrypoints.failure import UNSCHEDULABLE, failed

#: Seconds between two checks whether a waiting run should stop.
_TICK_SECONDS = 0.2
#: Fractions are summed in millionths, so that ten tenths make one.
_PARTS = 1_000_000
_CPUS = "CPU"
_MEMORY = "memory"


class Capacity:
    """CPUs, bytes of memory and other resources of which runs reserve a share, first come, first served.

    A smaller run does not overtake a waiting one; otherwise a large run might starve.
    """

    def __init__(self, cpus: float, memory: int) -> None:
        self.cpus = cpus
        self.memory = memory
        self._free = {_CPUS: round(cpus * _PARTS), _MEMORY: memory}
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(
        self,
        cpus: float,
        memory: int,
        check: Callable[[], None],
        waits: Callable[[], None],
        resources: Mapping[str, tuple[float, float]] | None = None,
    ) -> Iterator[None]:
        """Hold ``cpus``, ``memory`` (bytes) and ``resources`` while the block runs.

        ``resources``: by name, the requested amount and the host's total.

        ``waits`` is called once if they are not free yet, ``check`` repeatedly during the wait; its exception ends the
        wait. Raises ``OperationFailed`` at once if the request exceeds the host's total.
        """
        resources = resources or {}
        amounts = {_CPUS: round(cpus * _PARTS), _MEMORY: memory}
        amounts |= {f"resource {name}": round(amount * _PARTS) for name, (amount, _) in resources.items()}
        if not any(amounts.values()):
            yield
            return
        self._check_possible(cpus, memory, resources)
        with self._changed:
            for name, (_, declared) in resources.items():
                self._free.setdefault(f"resource {name}", round(declared * _PARTS))
        self._take(amounts, check, waits)
        try:
            yield
        finally:
            with self._changed:
                self._give(amounts, 1)
                self._changed.notify_all()

    def _check_possible(self, cpus: float, memory: int, resources: Mapping[str, tuple[float, float]]) -> None:
        for need, is_too_much in (
            (f"{cpus:g} CPUs", cpus > self.cpus),
            (f"{memory} bytes of memory", memory > self.memory),
            *((f"{amount:g} of the resource {name}", amount > has) for name, (amount, has) in resources.items()),
        ):
            if is_too_much:
                declared = "".join(f", {has:g} of {name}" for name, (_, has) in resources.items())
                message = (
                    f"The entrypoint needs {need}, but this host has {self.cpus:g} CPUs and {self.memory} bytes"
                    f"{declared}."
                )
                raise failed(UNSCHEDULABLE, message)

    def _take(self, amounts: Mapping[str, int], check: Callable[[], None], waits: Callable[[], None]) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            if self._take_if_first(ticket, amounts):
                return
        try:
            waits()
            while True:
                check()
                with self._changed:
                    if self._take_if_first(ticket, amounts):
                        return
                    self._changed.wait(_TICK_SECONDS)
        except BaseException:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()
            raise

    def _give(self, amounts: Mapping[str, int], sign: int) -> None:
        for name, amount in amounts.items():
            self._free[name] += sign * amount

    def _take_if_first(self, ticket: object, amounts: Mapping[str, int]) -> bool:
        if self._queue[0] is not ticket or any(amount > self._free[name] for name, amount in amounts.items()):
            return False
        self._give(amounts, -1)
        self._queue.popleft()
        self._changed.notify_all()
        return True


@functools.cache
def of_host() -> Capacity:
    """This host's capacity, shared by all runs of this agent."""
    return Capacity(float(psutil.cpu_count() or 1), psutil.virtual_memory().total)
