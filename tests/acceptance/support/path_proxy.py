"""A reverse proxy for HTTP that serves the API under a path of a host which has other applications, too."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jobqueue.standalone.ports import LOOPBACK
from tests.acceptance.support.until import LONG

_CHUNK = 65_536
_MOST_HEAD = 65_536
_NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 20\r\nConnection: close\r\n\r\n"
    b"another application\n"
)


@dataclass(frozen=True)
class Foreign:
    """A request for a path outside of the API's."""

    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


class PathProxy:
    """Passes requests below ``prefix`` on to a port on this machine, one connection for each; answers others with 404.

    ``strips``: takes the prefix off the path. ``names``: sends it as X-Forwarded-Prefix. Whatever follows a request's
    head is passed on as it comes, in both directions: bodies, events, websockets.
    """

    def __init__(self, target_port: int, prefix: str, *, strips: bool, names: bool) -> None:
        self._target = target_port
        self._prefix = prefix
        self._strips = strips
        self._names = names
        self.foreign: list[Foreign] = []
        #: Heads of requests that asked for a websocket.
        self.upgrades = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.url = f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="path-proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> PathProxy:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONG)
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request; the connection ends with its answer."""
        with self._kept(client), contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = client.recv(_CHUNK)
                if not more or len(data) > _MOST_HEAD:
                    return
                data += more
            head, _, rest = data.partition(b"\r\n\r\n")
            line, *headers = head.decode("latin-1").split("\r\n")
            method, target, version = line.split(" ")
            path = target.partition("?")[0]
            if path != self._prefix and not path.startswith(f"{self._prefix}/"):
                pairs = (header.split(":", 1) for header in headers)
                self.foreign.append(Foreign(target, {name.lower(): value.strip() for name, value in pairs}))
                client.sendall(_NOT_FOUND)
                return
            if self._strips:
                target = target[len(self._prefix) :]
                target = target if target.startswith("/") else f"/{target}"
            passed = "\r\n".join([f"{method} {target} {version}", *self._headers(headers)])
            with self._kept(socket.create_connection((LOOPBACK, self._target), timeout=LONG)) as server:
                server.settimeout(None)
                server.sendall(passed.encode("latin-1") + b"\r\n\r\n" + rest)
                upward = threading.Thread(target=_pump, args=(client, server), daemon=True)
                upward.start()
                _pump(server, client)
                upward.join(LONG)

    def _headers(self, given: list[str]) -> list[str]:
        names = {"connection", "keep-alive", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix"}
        kept = [header for header in given if header.partition(":")[0].lower() not in names]
        is_upgrade = any(header.lower().startswith("upgrade:") for header in kept)
        self.upgrades += is_upgrade
        added = [f"Connection: {'Upgrade' if is_upgrade else 'close'}"]
        added += [f"X-Forwarded-For: {LOOPBACK}", "X-Forwarded-Proto: http"]
        return [*kept, *added, *([f"X-Forwarded-Prefix: {self._prefix}"] if self._names else [])]

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        with self._lock:
            self._open.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass everything on until one side ends, then end the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
