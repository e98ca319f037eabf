"""Where requests on one connection begin and end: the server never sees another boundary than h11, another parser.

If a proxy in front of the API saw other boundaries, a client could hide a request within the body of another one.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import gevent
import h11
import pytest
from gevent import socket as gevent_socket

from api.server import Server, listen
from api.worker import Worker
from jobqueue.errors import InvalidInput
from jobqueue.settings import Settings
from tests.examples import examples

SEED = int(os.environ.get("TEST_SEED", "1"))
SECONDS = 30
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "get", "FOO")
TARGETS = (
    "/whole",
    "/whole",
    "/part",
    "/none",
    "http://a/whole",
    "//a/none",
    "/%00/whole",
    "/;a/part?b#c",
    "/none ",
    "*",
)
VERSIONS = (*["HTTP/1.1"] * 12, "HTTP/1.0", "HTTP/1.10", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.\xb9", "")
#: With N for the length of the body.
LENGTHS = (*["N"] * 6, "+N", "N,N", "0N", "N ", "\tN", "-1", "1e1", "0x10", "", "\xb2", "N;", "N\x0b")
CODINGS = (
    *["chunked"] * 6, "Chunked", "identity", "chunked, chunked", "gzip, chunked", "chunked, identity", "xchunked",
    "\x0bchunked", "chunked;a=b", '"chunked"', "chunked,", "", "chun\tked", "chunked\x00", "chu\xffnked",
)  # fmt: skip
NAMES = ("{}", "{}", "{}", "{} ", " {}", "{}\t", "{}\x00", "X: a\n{}", "X: a\r{}", "X: a\r\n {}")
OTHERS = (
    *(
        "Connection: close",
        "Connection: Close, te",
        "Connection: te,\tclose",
        "Connection: keep-alive",
        "Connection: a",
    ),
    *(
        "Expect: 100-continue",
        "Expect: x",
        "Upgrade: h2c",
        "X-A: 1",
        "X_A: 2",
        "Content_Length: 3",
        "Host: b",
        "X: a\r\n b",
    ),
    *("Transfer_Encoding: chunked", "TE: chunked", "X: \xe9", "X: a\x00", ": a", "X\xe9: a", "X"),
)
ENDS = (*["\r\n"] * 40, "\n", "\r", "\r\r\n")
EXTENSIONS = (b"", b"", b"", b";a=b", b";a", b'; a="\\""', b" ", b"\t")


def application(environ: dict[str, Any], start: Any) -> list[bytes]:
    """Answers with the request as it was read; reads all, a part or nothing of its body."""
    path = environ["PATH_INFO"]
    try:
        body = environ["wsgi.input"].read(None if "whole" in path else 2 if "part" in path else 0)
    except InvalidInput:
        start("400 Bad Request", [("Content-Length", "0")])
        return []
    answer = json.dumps([environ["REQUEST_METHOD"], environ["RAW_URI"], body.decode("latin-1")]).encode()
    start("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


class Log:
    """What the worker logs. An error is a fault of ours."""

    def debug(self, *_: object) -> None: ...

    info = debug

    def error(self, *words: object, **_: object) -> None:
        raise AssertionError(words)

    exception = error


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker without a process around it."""
    listener = listen("127.0.0.1", 0)
    descriptor = listener.fileno()
    server = Server(Settings(state_dir=tmp_path_factory.mktemp("state"), token="t"), listener)
    worker: Any = Worker.__new__(Worker)
    worker.cfg, worker.app, worker.log, worker.wsgi = server.cfg, server, Log(), application
    worker.alive, worker.nr, worker._clients, worker._idle = True, 0, {}, set()
    yield worker
    os.close(descriptor)


class Address:
    """The listener's address."""

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8080


def answered(worker: Worker, parts: Sequence[bytes]) -> bytes:
    """All that is answered to data that arrives in these parts."""
    client, server = gevent_socket.socketpair()
    served = gevent.spawn(worker.handle, Address(), server, ("192.0.2.7", 50_000))
    answer = b""
    with client, gevent.Timeout(SECONDS):
        with suppress(OSError):  # the server may have ended the connection already
            for part in parts:
                client.sendall(part)
                gevent.sleep(0)
            client.shutdown(socket.SHUT_WR)
        while data := client.recv(65_536):
            answer += data
        served.get()
    return answer


def requests_of(raw: bytes) -> tuple[list[list[str]], str]:
    """The requests that h11 reads until one that is the last, or that it refuses; and why it refuses it."""
    connection = h11.Connection(h11.SERVER)
    requests: list[list[str]] = []
    request: list[str] = []
    try:
        connection.receive_data(raw)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = [event.method.decode(), event.target.decode("latin-1"), ""]
            elif isinstance(event, h11.Data):
                request[2] += bytes(event.data).decode("latin-1")
            elif isinstance(event, h11.EndOfMessage):
                requests.append(request)
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return requests, ""
                connection.start_next_cycle()
            else:
                return requests, ""
    except h11.RemoteProtocolError as error:
        return requests, str(error)


def responses_of(raw: bytes) -> list[tuple[int, bytes]]:
    """The responses that h11 reads; raises for one that is malformed."""
    responses = []
    while raw:
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(raw)
        connection.receive_data(b"")
        status, body = 0, b""
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
        responses.append((status, body))
        raw = connection.trailing_data[0]
    return responses


def chunks(chance: random.Random, data: bytes) -> bytes:
    encoded = b""
    while data:
        size = chance.randint(1, len(data))
        line = chance.choice((b"%x", b"%X", b"0%x")) % size + chance.choice(EXTENSIONS)
        encoded += line + chance.choice((*[b"\r\n"] * 20, b"\n")) + data[:size] + chance.choice((*[b"\r\n"] * 20, b""))
        data = data[size:]
    return encoded + chance.choice(
        (*[b"0\r\n\r\n"] * 8, b"0\r\nX: a\r\n\r\n", b"00\r\n\r\n", b"-0\r\n\r\n", b"0\r\n\n")
    )


def stream(chance: random.Random) -> bytes:
    """One to three requests, right and wrong ones."""
    raw = b""
    for _ in range(chance.randint(1, 3)):
        body = chance.choice((b"", HIDDEN, chance.randbytes(chance.randint(1, 30))))
        headers = ["Host: a"] if chance.random() < 0.95 else []
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2))):
            name = chance.choice(NAMES) if chance.random() < 0.2 else "{}"
            if chance.random() < 0.5:
                length = chance.choice(LENGTHS).replace("N", str(len(body)))
                headers.append(f"{name.format('Content-Length')}: {length}")
            else:
                headers.append(f"{name.format('transfer-encoding')}: {chance.choice(CODINGS)}")
                body = chunks(chance, body)
        headers += chance.choices(OTHERS, k=chance.choice((0, 0, 1)))
        chance.shuffle(headers)
        method, target = (
            (chance.choice(METHODS), chance.choice(TARGETS)) if chance.random() < 0.3 else ("POST", "/whole")
        )
        version = chance.choice(VERSIONS)
        if version == "HTTP/1.0":  # which h11 knows no lasting connections of
            headers = [header for header in headers if header != "Connection: keep-alive"]
        lines = [f"{method} {target} {version}", *headers, ""]
        raw += "".join(line + chance.choice(ENDS) for line in lines).encode("latin-1") + body
    return raw


@pytest.mark.parametrize("number", range(examples(300)))
def test_no_request_is_found_where_another_parser_finds_none(worker: Worker, number: int) -> None:
    chance = random.Random(SEED * 1_000_000 + number)
    raw = stream(chance)
    cut = chance.randrange(len(raw))
    expected, refusal = requests_of(raw)
    responses = responses_of(answered(worker, [raw] if number % 2 else [raw[:cut], raw[cut:]]))
    accepted = [json.loads(body) for status, body in responses if status == 200]
    assert [status for status, _ in responses[:-1]] == [200] * (len(responses) - 1), raw
    if len(accepted) == len(expected) + 1 and "chunk" in refusal:  # in a body that was not read; nothing comes after it
        accepted.pop()
        assert len(responses) == len(expected) + 1, raw
    assert len(accepted) <= len(expected), (raw, refusal)
    for (method, target, body), (as_method, as_target, as_body) in zip(accepted, expected, strict=False):
        assert (method, target) == (as_method, as_target), raw
        assert body == (as_body if "whole" in target else body), raw


@pytest.mark.parametrize(
    "headers", ["te, close", "close, te", "a\r\nConnection: Close", "keep-alive\r\nConnection: close"]
)
def test_a_connection_ends_after_the_request_that_says_close(worker: Worker, headers: str) -> None:
    raw = f"GET /whole HTTP/1.1\r\nHost: a\r\nConnection: {headers}\r\n\r\n".encode()
    answer = answered(worker, [raw + HIDDEN])
    assert len(responses_of(answer)) == 1
    assert b"\r\nConnection: close\r\n" in answer
