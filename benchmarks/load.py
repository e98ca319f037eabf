"""A light HTTP client for load: prepared requests on keep-alive connections, one thread, nothing parsed twice.

The machine's cores are shared with the server, so what the client takes is taken from the figure.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

from benchmarks.process import BenchmarkError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT = 30.0


def request_bytes(
    url: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    """One HTTP/1.1 request, complete."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname or "", place.port or 80), timeout=_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._need = 0
        self._body_at = 0

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)

    def read(self) -> tuple[int, bytes] | None:
        """``(status, body)`` once the answer is whole, else None; waits for at least one more byte."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise BenchmarkError("The server closed a keep-alive connection")
        self._received += chunk
        if not self._need:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = _LENGTH.search(self._received, 0, end)
            if length is None:
                raise BenchmarkError(f"An answer without Content-Length: {bytes(self._received[:200])!r}")
            self._body_at = end + 4
            self._need = self._body_at + int(length[1])
        if len(self._received) < self._need:
            return None
        status, body = int(self._received[9:12]), bytes(self._received[self._body_at : self._need])
        del self._received[: self._need]
        self._need = 0
        return status, body

    def ask(self, request: bytes, expected: int) -> bytes:
        """Send one request, wait for its answer; raises ``BenchmarkError`` unless its status is ``expected``."""
        self.send(request)
        while (answer := self.read()) is None:
            pass
        return check(answer, expected)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def check(answer: tuple[int, bytes], expected: int) -> bytes:
    """The body, if the status is the expected one."""
    status, body = answer
    if status != expected:
        raise BenchmarkError(f"Status {status} instead of {expected}: {body[:300]!r}")
    return body


@dataclass
class Load:
    """What a load did: ``requests`` answered within ``seconds``."""

    requests: int = 0
    seconds: float = 0.0
    body: bytes = field(default=b"", repr=False)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def drive(url: str, request: bytes, *, clients: int, seconds: float, expected: int) -> Load:
    """Keep ``clients`` connections busy with one request for a while; each answer must have the expected status."""
    load = Load()
    with selectors.DefaultSelector() as selector:
        connections = [Connection(url) for _ in range(clients)]
        try:
            for connection in connections:  # the first answer does not count: the connection is being set up
                load.body = connection.ask(request, expected)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            started = time.perf_counter()
            for connection in connections:
                connection.send(request)
            waiting = clients
            while waiting:  # what is under way at the end is waited for, and counts
                ready = selector.select(_TIMEOUT)
                if not ready:
                    raise BenchmarkError(f"No answer within {_TIMEOUT:g} s")
                for key, _ in ready:
                    connection = key.data
                    answer = connection.read()
                    if answer is None:
                        continue
                    check(answer, expected)
                    load.requests += 1
                    load.seconds = time.perf_counter() - started
                    if load.seconds < seconds:
                        connection.send(request)
                    else:
                        waiting -= 1
        finally:
            for connection in connections:
                connection.close()
    return load
