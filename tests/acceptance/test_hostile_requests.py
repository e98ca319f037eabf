"""Requests that are malformed, or made to block the server: the API refuses each in its own words, without delay."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
import redis

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.settings import Settings
from jobqueue.standalone.binary import find_redis_server
from tests import hostile_bodies
from tests.acceptance.support.prober import Prober
from tests.acceptance.support.until import LONG, until
from tests.acceptance.test_api_server import TOKEN, api, ask
from tests.ledger.redis_server import RedisServer

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.acceptance

AUTHORIZATION = f"Authorization: Bearer {TOKEN}\r\n".encode()
#: How many bodies the generated test sends; docs/security.md has the command for the long run.
BODIES = int(os.environ.get("TEST_HOSTILE_BODIES", "400"))
SEED = int(os.environ.get("TEST_SEED", "1"))
#: Seconds that no request of another client may take meanwhile. Long, since tests share a busy machine; the long run
#: is made with 0.5.
PATIENCE = float(os.environ.get("TEST_HOSTILE_SECONDS", "10"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """One process, so that whatever holds it up is seen; its port and its log."""
    folder = tmp_path_factory.mktemp("hostile")
    directory = Path(tempfile.mkdtemp(prefix="jqs-"))  # a socket's name is short
    server = RedisServer(find_redis_server().path, directory)
    server.start()
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        ledger = Ledger(client, Settings(state_dir=folder, redis_url=server.url, heartbeat_seconds=3600))
        types = ("node.hostname.get", "command.exec.execute", "entrypoint.run")
        for hostname in ("web1", "web2", "web3"):
            ledger.agents.register(Registration(hostname, "boot", {"group": "web"}, {"cpus": 8}, types, "1", 2))
    with api(folder, JOBQUEUE_REDIS_URL=server.url, JOBQUEUE_HEARTBEAT_SECONDS="3600") as (_, port):
        yield port, folder / "api.log"
    server.kill()
    shutil.rmtree(directory)


def send(port: int, raw: bytes) -> bytes:
    """All that is answered until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
        with suppress(OSError):  # it may have ended already
            connection.sendall(raw)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def document(answer: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """The only response in ``answer``."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body), answer
    return int(first.split(" ")[1]), headers, json.loads(body)


def chunked(path: bytes, chunks: bytes, content_type: bytes = b"application/json", method: bytes = b"POST") -> bytes:
    return (
        method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION + b"Content-Type: " + content_type
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )  # fmt: skip


MALFORMED = {
    "0x2": b"0x2\r\n{}\r\n0\r\n\r\n",
    "0_2": b"0_2\r\n{}\r\n0\r\n\r\n",
    "+2": b"+2\r\n{}\r\n0\r\n\r\n",
    "negative": b"-2\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n{}\r\n0\r\n\r\n",
    "no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "blank in front": b" 2\r\n{}\r\n0\r\n\r\n",
    "bad extension": b"2;a=\x01\r\n{}\r\n0\r\n\r\n",
    "bare CR in an extension": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
    "no CRLF behind": b"2\r\n{}xx0\r\n\r\n",
    "endless size line": b"2" * 20_000 + b"\r\n{}\r\n0\r\n\r\n",
    "huge size": b"8000000000000000\r\n{}\r\n0\r\n\r\n",
    "bad trailer": b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "later one": b"1\r\n{\r\n0x1\r\n}\r\n0\r\n\r\n",
}
ROUTES = {
    "native": (b"/job", b"application/json", b"POST"),
    "batch": (b"/job/batch", b"application/json", b"POST"),
    "ray": (b"/api/jobs/", b"application/json", b"POST"),
    "fusion": (b"/api/spark/configurations", b"application/json", b"POST"),
    "form": (b"/ui/sign-in", b"application/x-www-form-urlencoded", b"POST"),
    "page": (b"/ui/submit", b"application/x-www-form-urlencoded", b"POST"),
    "object": (b"/file/n", b"application/octet-stream", b"PUT"),
    "object's form": (b"/file", b"multipart/form-data; boundary=b", b"POST"),
    "OSAPI's form": (b"/api/file", b"multipart/form-data; boundary=b", b"POST"),
    "package": (b"/api/packages/gcs/_ray_pkg_0123456789abcdef.zip", b"application/octet-stream", b"PUT"),
}


@pytest.mark.parametrize("chunks", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_malformed_chunks(served: tuple[int, Path], route: tuple[bytes, bytes, bytes], chunks: bytes) -> None:
    port, log = served
    answer = send(port, chunked(route[0], chunks, route[1], route[2]))
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1, "what stands behind is no request: where it begins is not known"
    assert b"\r\nConnection: close\r\n" in answer
    assert b"\r\nX-Request-Id: " in answer
    assert "Traceback" not in log.read_text()


def test_well_formed_chunks(served: tuple[int, Path]) -> None:
    """With an extension and a trailer, as RFC 9112 (7.1) allows them; the next request is answered, too."""
    port, _ = served
    chunks = b'1;a=b;c="d e"\r\n{\r\n1 ;x\r\n}\r\n0\r\nX-Checksum: 1\r\n\r\n'
    raw = chunked(b"/job", chunks).replace(
        b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\nConnection: close\r\n"
    )
    answer = send(port, raw)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"operation: Missing" in answer
    assert b"HTTP/1.1 200 " in answer


def test_tiny_chunks_are_refused_before_they_take_long(served: tuple[int, Path]) -> None:
    port, log = served
    status, _, body = document(send(port, chunked(b"/job", b"1\r\n \r\n" * 500_000)))
    assert (status, "chunks of less than" in str(body["error"])) == (400, True)
    assert "Traceback" not in log.read_text()


HOST = b"Host: localhost\r\n"
REFUSED = {
    "a long request line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414, "8190"),
    "a long header": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 17_000 + b"\r\n\r\n", 431, "16380"),
    "many headers": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 101 + b"\r\n", 431, "100"),
    "no Host": (b"GET /health HTTP/1.1\r\n\r\n", 400, "Host"),
    "two Hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "HOST"),
    "no request line": (b"hello\r\n\r\n", 400, "hello"),
    "no version": (b"GET /\r\n\r\n", 400, "HTTP"),
    "another version": (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400, "Version"),
    "a control character": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x01b\r\n\r\n", 400, "X"),
    "a header's name": (b"GET / HTTP/1.1\r\n" + HOST + b"X Y: a\r\n\r\n", 400, "X Y"),
    "folding": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400, "folding"),
    "a length that is none": (b"POST /job HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400, "CONTENT-LENGTH"),
    "a negative length": (b"POST /job HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400, "CONTENT-LENGTH"),
    "two lengths": (
        b"POST /job HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "CONTENT-LENGTH",
    ),
    "a length and chunks": (
        b"POST /job HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "",
    ),
    "an unknown coding": (b"POST /job HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: x\r\n\r\n", 501, "chunked"),
    "a compressed coding": (
        b"POST /job HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "chunked",
    ),
    "another expectation": (b"POST /job HTTP/1.1\r\n" + HOST + b"Expect: tea\r\n\r\n", 417, "100-continue"),
    "TLS": (bytes.fromhex("1603010200010001fc0303") + bytes(300) + b"\r\n\r\n", 400, ""),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "status", "words"), REFUSED.values(), ids=REFUSED)
def test_invalid_requests(served: tuple[int, Path], raw: bytes, status: int, words: str) -> None:
    port, log = served
    found, headers, body = document(send(port, raw))
    assert (found, body["code"]) == (status, status), body
    assert words in str(body["error"])
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"] in log.read_text() or words == "Host"
    assert "Traceback" not in log.read_text()


def test_the_request_id_is_the_callers_where_it_can_be_read(served: tuple[int, Path]) -> None:
    _, headers, _ = document(send(served[0], b"GET /health HTTP/1.1\r\nX-Request-Id: mine-1\r\n\r\n"))
    assert headers["x-request-id"] == "mine-1"


def test_http_1_0_needs_no_host(served: tuple[int, Path]) -> None:
    assert send(served[0], b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


# --- generated --------------------------------------------------------------------------------------------------------
def test_generated_bodies_block_no_other_client(served: tuple[int, Path]) -> None:
    """No 5xx, and no other client waits."""
    port, log = served
    statuses: dict[int, int] = {}

    def ask_both() -> None:
        assert ask(port, "GET", "/health")[0] == 200
        assert ask(port, "GET", f"/job/{hostile_bodies.JOB}")[0] == 404

    prober = Prober(ask_both)
    random_ = random.Random(SEED)
    with prober.meanwhile() as waits:
        for number in range(BODIES):
            raw = hostile_bodies.request(random_, AUTHORIZATION)
            answer = send(port, raw)
            assert answer, (number, raw[:500])
            status = int(answer.split(b" ", 2)[1])
            assert status < 500, (number, answer[:500], raw[:500])
            statuses[status] = statuses.get(status, 0) + 1
    assert "Traceback" not in log.read_text()
    logger.info("statuses: %s", dict(sorted(statuses.items())))
    assert statuses.keys() >= {400, 401}, statuses
    assert waits().longest < PATIENCE, str(waits())


#: Enough for some hundred time slices of the server; they fit into the buffers of a connection.
PIPELINED = 5_000


#: A request that ends its connection, and whose id is in the server's log.
REFUSED = b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n"


def test_pipelined_requests_give_others_their_turn(served: tuple[int, Path]) -> None:
    """Thousands of requests in advance on one connection, and one request on another, all sent before the server looks.

    The server's log has the order in which it came to the ends of both.
    """
    port, log = served
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    address = ("127.0.0.1", port)
    with (
        closing(socket.create_connection(address, timeout=LONG)) as greedy,
        closing(socket.create_connection(address, timeout=LONG)) as other,
    ):
        for connection in (greedy, other):  # the server knows both
            connection.sendall(request)
            assert connection.recv(1 << 20).startswith(b"HTTP/1.1 200")
        server = next(
            psutil.Process(found.pid)
            for found in psutil.net_connections("tcp4")
            if found.raddr and found.raddr.port == greedy.getsockname()[1] and found.laddr.port == port
        )
        server.suspend()
        try:
            greedy.sendall(request * PIPELINED + REFUSED)
            other.sendall(REFUSED)
        finally:
            server.resume()
        answers, answer = map(received, (greedy, other))
    assert answers.count(b"HTTP/1.1 200") == PIPELINED
    last, first = (re.findall(rb'"request_id": "(.+?)"', text)[-1].decode() for text in (answers, answer))
    until(lambda: {first, last} <= set(log.read_text().split()), "both are in the log")
    assert log.read_text().index(first) < log.read_text().index(last)
