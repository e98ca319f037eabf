"""A TCP proxy whose connections can go silent: for good, as behind a firewall that forgot them, or for a while."""

from __future__ import annotations

import contextlib
import socket
import threading

from jobqueue.standalone.ports import LOOPBACK

_CHUNK = 65_536


class Proxy:
    """Forwards to a port on this machine. Closes what it has when it is left."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._connections: list[_Connection] = []
        self._lock = threading.Lock()
        self._closing = False
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def silence(self) -> int:
        """From now on the connections that there are swallow everything; new ones work. Returns how many."""
        with self._lock:
            open_ones = [connection for connection in self._connections if not connection.is_over]
            for connection in open_ones:
                connection.is_silent = True
            return len(open_ones)

    def hold(self) -> None:
        """Let nothing through any more, on new connections neither: a network that drops packets, which come later."""
        self._flows.clear()

    def release(self) -> None:
        """Deliver what was held, in order, and go on."""
        self._flows.set()

    def close(self) -> None:
        self._closing = True
        self._flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        with self._lock:
            for connection in self._connections:
                connection.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection((LOOPBACK, self._target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.append(_Connection(client, server, self._flows))


class _Connection:
    """Two sockets, and a thread for each direction."""

    def __init__(self, client: socket.socket, server: socket.socket, flows: threading.Event) -> None:
        self._flows = flows
        self.is_silent = False
        self.is_over = False
        self._sockets = (client, server)
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                if not self.is_silent:
                    sink.sendall(data)
        if not self.is_silent:  # the end is swallowed like the rest
            self.close()

    def close(self) -> None:
        self.is_over = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
