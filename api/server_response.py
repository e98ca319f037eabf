"""The server's side of a response: gunicorn's, without computing again what every response repeats."""

from __future__ import annotations

import time
from functools import lru_cache

from gunicorn import util
from gunicorn.http import wsgi

from api.web import FIXED, HEADERS, STRICT_TRANSPORT

#: Headers that are valid and are sent as they are.
_CONSTANT = frozenset({*FIXED, *HEADERS, STRICT_TRANSPORT})

_date = lru_cache(maxsize=1)(util.http_date)


class Response(wsgi.Response):
    """The response to one request."""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Check the application's headers. Called by gunicorn."""
        super().process_headers([header for header in headers if header not in _CONSTANT])
        self.headers += [header for header in headers if header in _CONSTANT]

    def default_headers(self) -> list[str]:
        """The status line and the server's own headers. Called by gunicorn."""
        connection = "upgrade" if self.upgrade else "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {connection}\r\n",
        ]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines
