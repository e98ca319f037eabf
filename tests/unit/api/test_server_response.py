"""Responses leave the server as gunicorn's own would, in fewer steps: the same head, the same body, at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName

from api.correlation import HEADER
from api.server_response import Response
from api.web import FIXED, HEADERS, STRICT_TRANSPORT
from api.worker import _Joined

TYPE, ID = ("Content-Type", "application/json"), (HEADER, "an-id")
SAFE = [*FIXED, *HEADERS, STRICT_TRANSPORT]


class Request:
    """What a response asks of its request."""

    def __init__(self, method: str = "GET", version: tuple[int, int] = (1, 1), *, closes: bool = False) -> None:
        self.method, self.version, self._closes = method, version, closes

    def should_close(self) -> bool:
        return self._closes


class Socket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)


def answered(
    kind: type[wsgi.Response], request: Request, status: str, headers: list[tuple[str, str]], parts: list[bytes]
) -> list[bytes]:
    """What is sent, as the worker has it sent."""
    sock = Socket()
    joined = _Joined(sock)
    response = kind(request, joined, Config())
    response.start_response(status, headers)
    for part in parts:
        response.write(part)
    response.close()
    joined.flush()
    return sock.sent


def read(sent: list[bytes]) -> tuple[bytes, list[bytes], bytes]:
    """Status line, headers in any order, body."""
    head, _, body = b"".join(sent).partition(b"\r\n\r\n")
    line, *headers = re.sub(rb"Date: [^\r]+", b"Date: now", head).split(b"\r\n")
    return line, sorted(headers), body


def length(number: int) -> tuple[str, str]:
    return "Content-Length", str(number)


RESPONSES: dict[str, tuple[Request, str, list[tuple[str, str]], list[bytes]]] = {
    "JSON": (Request(), "200 OK", [TYPE, length(2), ID, *SAFE], [b"{}"]),
    "created": (Request("POST"), "201 CREATED", [("Location", "/job/1"), TYPE, length(2), *SAFE], [b"{}"]),
    "an empty body": (Request(), "200 OK", [TYPE, length(0), *SAFE], [b""]),
    "no part": (Request(), "200 OK", [TYPE, length(0), *SAFE], []),
    "no body": (Request("DELETE"), "204 NO CONTENT", [TYPE, *SAFE], [b""]),
    "no body, with a length": (Request("DELETE"), "204 NO CONTENT", [TYPE, length(0), *SAFE], []),
    "not modified": (Request(), "304 NOT MODIFIED", [length(5), *SAFE], []),
    "HEAD": (Request("HEAD"), "200 OK", [TYPE, length(5), *SAFE], []),
    "HEAD with a body": (Request("HEAD"), "200 OK", [TYPE, length(5), *SAFE], [b"hello"]),
    "two parts": (Request(), "200 OK", [length(5), *SAFE], [b"he", b"llo"]),
    "a stream": (Request(), "200 OK", [TYPE, *SAFE], [b"he", b"", b"llo"]),
    "a stream to HTTP/1.0": (Request(version=(1, 0)), "200 OK", [TYPE, *SAFE], [b"he", b"llo"]),
    "longer than it says": (Request(), "200 OK", [length(2), *SAFE], [b"hello"]),
    "shorter than it says": (Request(), "200 OK", [length(9), *SAFE], [b"hello"]),
    "the last one": (Request(closes=True), "200 OK", [TYPE, length(2), *SAFE], [b"{}"]),
    "a status of nobody else": (Request(), "299 Odd", [TYPE, length(2), *SAFE], [b"{}"]),
    "a header of the connection": (Request(), "200 OK", [("Connection", "close"), length(2), *SAFE], [b"{}"]),
    "an upgrade": (Request(), "101 Switching", [("Connection", "Upgrade"), ("Upgrade", "websocket")], []),
    "blanks around values": (Request(), "200 OK", [("X-Odd", " a \t"), length(2)], [b"{}"]),
    "bytes above ASCII": (Request(), "200 OK", [("Location", "/\xe4"), length(2)], [b"{}"]),
    "names in lower case": (Request(), "200 OK", [("content-type", "a/b"), ("content-length", "2")], [b"{}"]),
}


@pytest.mark.parametrize(("request_", "status", "headers", "parts"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_gunicorns(
    request_: Request, status: str, headers: list[tuple[str, str]], parts: list[bytes]
) -> None:
    ours = answered(Response, request_, status, headers, parts)
    assert read(ours) == read(answered(wsgi.Response, request_, status, headers, parts))


def test_a_whole_response_is_one_send() -> None:
    assert len(answered(Response, *RESPONSES["JSON"])) == 1


BAD: dict[str, tuple[str, list[tuple[Any, Any]], type[Exception]]] = {
    "a line break in a value": ("200 OK", [("Location", "/a\r\nX: b")], InvalidResponseHeader),
    "a line break in an id": ("200 OK", [(HEADER, "a\nb")], InvalidResponseHeader),
    "a line break in a name": ("200 OK", [("X\r\nY", "b")], InvalidResponseHeaderName),
    "a line break in the status": ("200 OK\r\nX: b", [], ValueError),
    "a value that is no text": ("200 OK", [("Location", b"/")], TypeError),
    "a length that is none": ("200 OK", [("Content-Length", "2x")], ValueError),
    "a length of other digits": ("200 OK", [("Content-Length", "\u00b2")], ValueError),
}


@pytest.mark.parametrize(("status", "headers", "error"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("kind", [Response, wsgi.Response], ids=["ours", "gunicorn's"])
def test_what_no_response_may_hold(
    kind: type[wsgi.Response], status: str, headers: list[tuple[Any, Any]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        answered(kind, Request(), status, headers, [])


def test_a_response_begins_once_unless_nothing_was_sent_before_an_error() -> None:
    response = Response(Request(), _Joined(Socket()), Config())
    response.start_response("200 OK", [length(2)])
    with pytest.raises(AssertionError):
        response.start_response("200 OK", [length(2)])
    try:
        raise ValueError("late")
    except ValueError as error:
        response.start_response("500 FAULT", [], (ValueError, error, error.__traceback__))
    assert response.status == "500 FAULT"
