"""Cooperative scheduling: a greenlet that never waits would block the whole process.

A read from a socket only waits, and so lets others run, when nothing has arrived; a client that sends faster than it
is served is read without a wait.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import gevent
from gevent import socket as gevent_socket

#: Seconds that one greenlet may work between two turns of others.
SLICE_SECONDS = 0.002
#: Bytes of a response that a client must receive within the time limit.
_SENT_BYTES = 64 * 1024

_T = TypeVar("_T")


class TimeSlice:
    """The time that one greenlet may work before others get a turn."""

    def __init__(self) -> None:
        self._loop = gevent.get_hub().loop
        self._begin()

    def _begin(self) -> None:
        self._began = time.monotonic()
        self._iteration = self._loop.iteration

    def give_turn(self) -> None:
        """Let others run, if the last turn of others is long enough ago.

        While this greenlet waited for anything, such as its client or Redis, the event loop has served the others.
        """
        if self._loop.iteration != self._iteration:
            self._begin()
        elif time.monotonic() - self._began >= SLICE_SECONDS:
            gevent.sleep(0)
            self._begin()


def in_turns(items: Iterable[_T]) -> Iterator[_T]:
    """The items of one large request; others run between two of them when this one has used its time slice."""
    time_slice = TimeSlice()
    for item in items:
        time_slice.give_turn()
        yield item


class FairSocket:
    """A client's socket whose reads yield to other greenlets when the connection has used its time slice.

    A client that receives less than 64 KiB in ``seconds`` is given up: the rest of the response is held in memory.
    """

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._seconds = seconds
        #: The socket inside of gevent's, which never waits; none under TLS, where gevent's is one that encrypts.
        self._plain: Any = getattr(sock, "_sock", None) if type(sock) is gevent_socket.socket else None
        self.give_turn = TimeSlice().give_turn

    def recv(self, size: int, *flags: int) -> bytes:
        """As the socket's."""
        self.give_turn()
        return self._sock.recv(size, *flags)

    def sendall(self, data: bytes, *flags: int) -> None:
        """As the socket's. Raises ``BrokenPipeError`` for a client that does not receive the data in time."""
        rest = memoryview(data)
        if self._plain is not None and not flags:
            rest = rest[self._sent_at_once(rest[:_SENT_BYTES]) :]
        while rest:
            with gevent.Timeout(
                self._seconds, BrokenPipeError(errno.EPIPE, "the client does not receive the response")
            ):
                self._sock.sendall(rest[:_SENT_BYTES], *flags)
            rest = rest[_SENT_BYTES:]

    def _sent_at_once(self, data: memoryview) -> int:
        """Bytes that the system takes without a wait, most often all of a short response: it needs no time limit."""
        try:
            return int(self._plain.send(data))
        except (BlockingIOError, InterruptedError):
            return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
