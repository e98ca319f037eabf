"""The server's side of a response: gunicorn's, without computing again what every response repeats."""

from __future__ import annotations

import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi

from api.correlation import HEADER
from api.web import FIXED, HEADERS, STRICT_TRANSPORT

#: Headers that are valid and are sent as they are.
_CONSTANT = frozenset({*FIXED, *HEADERS, STRICT_TRANSPORT})
#: Names of headers that need no check of gunicorn's but that of their values.
_PLAIN = frozenset({"Content-Type", "Location", HEADER})
#: Lines of statuses whose responses have a body, by code.
_WITH_BODY = {
    f"{status.value} {status.phrase.upper()}": status.value
    for status in HTTPStatus
    if status >= HTTPStatus.OK and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
}

_date = lru_cache(maxsize=1)(util.http_date)


@lru_cache(maxsize=64)
def _lines(headers: tuple[tuple[str, str], ...]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


class Response(wsgi.Response):
    """The response to one request."""

    #: gunicorn's, which has no types.
    status: str | None
    headers_sent: bool
    response_length: int | None
    #: The headers that are sent as they are.
    constant: tuple[tuple[str, str], ...] = ()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Begin the response. Called by the application."""
        code = _WITH_BODY.get(status)
        if code is None or exc_info is not None or self.status is not None or self.req.method == "HEAD":
            return super().start_response(status, headers, exc_info)
        self.status, self.status_code = status, code
        self.process_headers(headers)
        self.chunked = self.response_length is None and self.is_chunked()
        return self.write

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Check the application's headers. Called by gunicorn."""
        self.constant = tuple([header for header in headers if header in _CONSTANT])
        for header in headers:
            if header in _CONSTANT:
                continue
            name, value = header
            if name in _PLAIN and wsgi.HEADER_VALUE_RE.fullmatch(value):
                self.headers.append(header)
            elif name == "Content-Length" and value.isascii() and value.isdigit():
                self.response_length = int(value)
                self.headers.append(header)
            else:
                super().process_headers([header])

    def default_headers(self) -> list[str]:
        """The status line, the server's own headers and the constant ones. Called by gunicorn."""
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        coding = "Transfer-Encoding: chunked\r\n" if self.chunked else ""
        lines = (
            f"HTTP/{major}.{minor} {self.status}\r\nServer: {self.version}\r\nDate: {_date(int(time.time()))}\r\n"
            f"Connection: {connection}\r\n{coding}{_lines(self.constant)}"
        )
        return [lines]

    def write(self, data: bytes) -> None:
        """Send a part of the body. Called with each part."""
        if self.headers_sent or self.response_length != len(data) or self._omits_body or type(data) is not bytes:
            super().write(data)
            return
        # the whole body at once, as most responses have it
        head = "".join([*self.default_headers(), *[f"{name}: {value}\r\n" for name, value in self.headers], "\r\n"])
        self.headers_sent, self.sent = True, len(data)
        self.sock.send_whole(head.encode("latin-1") + data)
