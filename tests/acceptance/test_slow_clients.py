"""Clients that send a byte at a time, by the hundred: each is cut after a bounded time, and the others are served."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.acceptance.support.until import until
from tests.acceptance.test_api_server import TOKEN, api

pytestmark = pytest.mark.acceptance

#: Seconds that headers and bodies may take; far less than a trickle would.
LIMIT = 2.0
MANY = 200
HEADERS = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 10_000
BEGIN = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
SIZED = f"POST /job {BEGIN}Content-Length: 100000\r\n\r\n".encode()
CHUNKED = f"POST /job {BEGIN}Transfer-Encoding: chunked\r\n\r\n".encode()
PACKAGE = f"PUT /api/packages/gcs/_ray_pkg_0123456789abcdef.zip {BEGIN}Content-Length: 100000\r\n\r\n".encode()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("slow")
    limits = {"JOBQUEUE_HEADER_SECONDS": str(LIMIT), "JOBQUEUE_BODY_SECONDS": str(LIMIT)}
    with api(folder, **limits) as (_process, found):
        yield found


class Trickle:
    """Sends ``head`` at once, then ``rest`` a byte at a time for ever, and keeps what comes back."""

    def __init__(self, port: int, head: bytes, rest: bytes) -> None:
        self.begin = time.monotonic()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.sendall(head)
        self._rest = rest
        self.answer = b""
        self.is_cut = False
        self.seconds = 0.0

    def step(self) -> None:
        """Send one byte more, and see what has come."""
        with suppress(OSError):
            self._socket.sendall(self._rest)
        self._socket.setblocking(False)
        try:
            found = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            found = b""
        finally:
            with suppress(OSError):
                self._socket.setblocking(True)
        self.answer += found
        if not found and not self.is_cut:
            self.is_cut, self.seconds = True, time.monotonic() - self.begin

    def close(self) -> None:
        self._socket.close()


def trickle(clients: list[Trickle], until_seconds: float = 60.0) -> None:
    """Let all of them send until each is cut."""
    deadline = time.monotonic() + until_seconds
    while not all(client.is_cut for client in clients):
        assert time.monotonic() < deadline, f"{sum(not client.is_cut for client in clients)} are not cut"
        for client in clients:
            if not client.is_cut:
                client.step()
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("head", "rest", "answer"),
    [
        (b"", b"G", b""),
        (HEADERS[:20], b"a", b""),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X", b""),
        (SIZED, b" ", b"HTTP/1.1 408"),
        (CHUNKED, b"1\r\n \r\n", b"HTTP/1.1 408"),
        (PACKAGE, b"x", b"HTTP/1.1 503"),  # refused, since Redis is away; but its body is read to the end
    ],
    ids=["the first line", "within the first line", "headers", "a body", "chunks", "an unwanted body"],
)
def test_a_trickle_is_cut(port: int, head: bytes, rest: bytes, answer: bytes) -> None:
    client = Trickle(port, head, rest)
    try:
        trickle([client])
        assert client.seconds > 0.8 * LIMIT  # it had its time
        assert client.answer.startswith(answer)
        if answer.endswith(b"408"):
            assert b"took longer than 2 s" in client.answer
    finally:
        client.close()


def test_after_a_first_request_too(port: int) -> None:
    client = Trickle(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"G")
    try:
        trickle([client])
        assert client.answer.startswith(b"HTTP/1.1 200")
    finally:
        client.close()


def test_many_of_them_block_no_other_client(port: int) -> None:
    enough = threading.Event()
    waves: list[list[Trickle]] = []

    def send(stack: ExitStack) -> None:
        """Many at a time, and many again when they are cut, until enough others were served meanwhile."""
        while not enough.is_set():
            clients = []
            for number in range(MANY):
                clients.append(
                    Trickle(port, (HEADERS[:60], SIZED, CHUNKED)[number % 3], (b"a", b" ", b"1\r\n \r\n")[number % 3])
                )
                stack.callback(clients[-1].close)
            waves.append(clients)
            trickle(clients)

    with ExitStack() as stack:
        sender = threading.Thread(target=send, args=(stack,))
        sender.start()
        asked = 0
        try:
            until(lambda: waves or not sender.is_alive(), "many are connected")
            while sender.is_alive():
                with socket.create_connection(("127.0.0.1", port), timeout=30) as honest:
                    honest.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    assert honest.recv(100).startswith(b"HTTP/1.1 200")
                asked += 1
                if asked > 10:
                    enough.set()
        finally:
            enough.set()
            sender.join()
        assert asked > 10
        assert all(client.is_cut for clients in waves for client in clients)


def test_who_waits_between_requests_is_not_cut(port: int) -> None:
    """A connection that is kept for the next request is no slow client."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as kept:
        for _ in range(2):
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            found = b""
            while b"\r\n\r\n" not in found or not found.rstrip().endswith(b"}"):
                found += kept.recv(1000)
            assert found.startswith(b"HTTP/1.1 200")
            begin = time.monotonic()
            until(lambda begin=begin: time.monotonic() - begin > 1.5 * LIMIT, "longer than headers may take", 30)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/assets/swagger-ui-bundle.js"], ids=["made", "a file"])
def test_a_client_that_never_receives_the_response_is_cut(port: int, path: str) -> None:
    """It would hold the response in memory, or a file open, for as long as it likes."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET {path} {BEGIN}\r\n".encode() * 20)  # more than the kernel takes for a client
        until(lambda: not _is_connected(client.getsockname()[1], port), "the connection is closed")


def _is_connected(client: int, server: int) -> bool:
    """Whether the server's end of a connection is open: established, in the list of the kernel."""
    ends = f":{server:04X} 0100007F:{client:04X} 01"
    return ends in Path("/proc/net/tcp").read_text()
