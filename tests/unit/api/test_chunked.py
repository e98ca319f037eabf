"""What is known of a body before it is read."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser

from api.chunked import CheckedBody

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


def body_of(*packets: bytes) -> CheckedBody:
    """The body of a request that arrives in these packets."""
    arriving: Iterator[bytes] = iter(packets)
    sock = SimpleNamespace(recv=lambda size: next(arriving, b""))
    return CheckedBody(next(RequestParser(Config(), sock, ("127.0.0.1", 1))))


def test_a_body_that_came_with_its_head() -> None:
    body = body_of(HEAD + b"Content-Length: 3\r\n\r\nabc")
    assert body.has_arrived(3)
    assert not body.is_read
    assert body.read(2) == b"ab"
    assert not body.is_read
    assert body.read() == b"c"
    assert body.is_read


def test_a_body_that_comes_later() -> None:
    body = body_of(HEAD + b"Content-Length: 3\r\n\r\na", b"bc")
    assert not body.has_arrived(3)
    assert body.read(3) == b"abc"
    assert body.is_read


def test_a_request_without_a_body() -> None:
    body = body_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n")
    assert body.has_arrived(0)
    assert body.is_read


@pytest.mark.parametrize("packets", [(b"0\r\n\r\n",), (b"1\r\na\r\n", b"0\r\n\r\n")], ids=["empty", "one"])
def test_the_end_of_a_chunked_body_is_only_found_by_reading(packets: tuple[bytes, ...]) -> None:
    body = body_of(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + packets[0], *packets[1:])
    assert not body.has_arrived(0)
    assert not body.is_read
    body.read()
    assert not body.is_read
