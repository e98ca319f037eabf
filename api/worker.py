"""The server's worker process: gunicorn's gevent worker that can end while clients keep idle connections open."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

import gevent
from gunicorn.http.errors import ParseException
from gunicorn.workers.ggevent import GeventWorker

from api.live.closing import closing

#: Bytes of a body that nobody wants which are read all the same, and how many at a time.
_MOST_DISCARDED = 1024**3
_DISCARD_STEP = 256 * 1024


class Worker(GeventWorker):
    """On SIGTERM, finishes the requests that it has and closes connections that wait for a next one.

    gunicorn waits for idle keep-alive connections as for requests. So either they would have to be closed after a few
    seconds always, which costs clients a new connection and, at worst, a failed POST; or every stop would take as long.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[object, socket.socket] = {}
        self._idle: set[socket.socket] = set()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection."""
        current = gevent.getcurrent()
        self._clients[current] = client
        try:
            super().handle(listener, client, addr)
        finally:
            del self._clients[current]

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Serve one request."""
        joined = _Joined(sock)
        answer, is_last = True, False
        try:
            answer = super().handle_request(listener_name, req, joined, addr)
        except StopIteration:  # how gunicorn says that the connection ends here
            is_last = True
        finally:
            joined.flush()
        if not self._discard(req.body) or is_last:
            raise StopIteration
        return answer

    def _discard(self, body: Any) -> bool:
        """Read what nobody has read of a request's body; returns whether that was all of it.

        A client that still sends would not see the answer if the connection was closed. gunicorn does this, too, but
        in small steps that let nobody else have a turn.
        """
        left = _MOST_DISCARDED
        with self.timeout_ctx():
            try:
                while left > 0:
                    data = body.read(_DISCARD_STEP)
                    if not data:
                        return True
                    left -= len(data)
                    gevent.sleep(0)  # what has arrived is read without a wait, so others would get no turn
            except (OSError, ParseException):  # the client is gone, or its chunks are none
                return False
        return False

    def timeout_ctx(self) -> _Idle:
        """What gunicorn wraps around the wait for a connection's next request."""
        return _Idle(self, self._clients[gevent.getcurrent()])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        if not self.booted:
            sys.exit(0)  # there are no requests yet
        super().handle_exit(sig, frame)
        closing.set()
        for client in self._idle:
            hang_up(client)


class _Joined:
    """A socket that sends a response's head together with the first part of its body; gunicorn sends them one by one.

    Whatever comes after the first part, such as the events of a stream, goes out at once.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._head: bytes | None = None
        self._is_through = False

    @property
    def unbuffered(self) -> Any:
        """The socket itself, for what is no response."""
        return self._sock

    def sendall(self, data: bytes) -> None:
        if self._is_through:
            self._sock.sendall(data)
        elif self._head is None:
            self._head = data
        else:
            self._is_through = True
            self._sock.sendall(self._head + data)

    def sendfile(self, *args: Any, **options: Any) -> Any:
        """Send a file behind the head: the system does it, so the two cannot leave together."""
        self.flush()
        return self._sock.sendfile(*args, **options)

    def flush(self) -> None:
        """Send the head of a response that has no body."""
        if self._head is not None and not self._is_through:
            self._is_through = True
            with suppress(OSError):  # the client was quicker
                self._sock.sendall(self._head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Idle:
    """A connection waits for its next request, at most for the keep-alive time, and no longer once the worker stops."""

    def __init__(self, worker: Worker, client: socket.socket) -> None:
        self._worker = worker
        self._client = client
        self._timeout = gevent.Timeout(worker.cfg.keepalive, False)

    def __enter__(self) -> None:
        self._timeout.start()
        self._worker._idle.add(self._client)
        if not self._worker.alive:
            hang_up(self._client)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        self._worker._idle.discard(self._client)
        self._timeout.close()
        return error is self._timeout


def hang_up(client: socket.socket) -> None:
    """Read what has arrived, then nothing more: a request that is there already is still answered."""
    with suppress(OSError):  # the client was quicker
        # gevent's own shutdown() would raise an error in the greenlet that reads; that of the socket inside lets it
        # read the end
        getattr(client, "_sock", client).shutdown(socket.SHUT_RD)
