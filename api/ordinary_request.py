"""Reads the heads of ordinary requests as gunicorn's parser does, in a fifth of the time.

gunicorn's parser, in Python, takes as long for a request as signing a job. ``read`` takes only a head that arrived at
once and can be read in one way only: HTTP/1.1, a plain path, header lines that each give another name, a body whose
length is known. Anything else it leaves to gunicorn's parser, byte for byte, which decides and words the errors.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from gunicorn.http.body import Body, LengthReader
from gunicorn.util import unquote_to_wsgi_str

from api.chunked import CheckedBody

#: Bytes of a head and number of its headers; fewer than gunicorn's parser allows, whose limits thus need no check.
MOST_BYTES, MOST_HEADERS = 4096, 50
#: Digits of a body's length.
_MOST_DIGITS = 12
_END = b"\r\n\r\n"
# not "[" or "]", which urlsplit may refuse; no fragment, and no second slash first, which urlsplit takes for a host
_PATH = r"A-Za-z0-9._~!$&'()*+,;=:@%/-"
# no "_" in a name: it would be the same variable as "-"
_NAME = r"!#$%&'*+.^`|~0-9A-Za-z-"
_HEAD = re.compile(
    rf"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) ((/(?!/)[{_PATH}]*+)(?:\?([{_PATH}?]*+))?) HTTP/1\.1\r\n"
    rf"((?:[{_NAME}]++:[\t -~\x80-\xff]*+\r\n)++)"
)
#: Headers that say more about the message than the application needs to know: how it ends, what is expected first.
_LEFT = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE", "TRAILER", "TE"})
_PLAIN = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


@lru_cache(maxsize=512)
def _variable(name: str) -> str:
    """The variable of a header in a WSGI environment; empty: the request is left to gunicorn's parser."""
    name = name.upper()
    if name in _LEFT:
        return ""
    return _PLAIN.get(name) or f"HTTP_{name.replace('-', '_')}"


class ArrivedBody(io.BytesIO):
    """A body that arrived together with the head."""

    #: Reading cannot fail.
    failed = False

    @property
    def is_read(self) -> bool:
        """Whether nothing is left to read."""
        return self.tell() == len(self.getbuffer())

    def has_arrived(self, _size: int) -> bool:
        """Whether reading waits for nothing."""
        return True


class OrdinaryRequest:
    """A request as the server needs it; gunicorn's own class has the same attributes.

    ``variables``: what the request adds to the WSGI environment of its connection.
    """

    version = (1, 1)

    def __init__(self, method: str, variables: dict[str, Any]) -> None:
        self.method = method
        self.variables = variables
        self.must_close = False
        self.body: Any = None

    def should_close(self) -> bool:
        """Whether the connection ends after the response."""
        return self.must_close

    def force_close(self) -> None:
        """End the connection after the response."""
        self.must_close = True

    def environ(self, connection: Mapping[str, Any], sock: Any) -> dict[str, Any]:
        """The WSGI environment. ``connection``: the part that is the same for all requests of a connection."""
        return {**connection, "wsgi.input": self.body, "gunicorn.socket": sock, **self.variables}


def read(unreader: Any) -> OrdinaryRequest | None:
    """The next request of a connection; None leaves all of it to gunicorn's parser.

    Raises ``StopIteration`` where the connection has ended, as gunicorn's parser does.
    """
    data: bytes = unreader.read()
    if not data:
        raise StopIteration
    end = data.find(_END, 0, MOST_BYTES)
    request = None if end < 0 else parsed(data[: end + 2])
    if request is None:
        unreader.unread(data)
        return None
    rest = data[end + len(_END) :]
    length = int(request.variables.get("CONTENT_LENGTH", 0))
    if len(rest) >= length:
        request.body = ArrivedBody(rest[:length])
        rest = rest[length:]
    else:
        request.body = Body(LengthReader(unreader, length))
        request.body = CheckedBody(request)
    if rest:
        unreader.unread(rest)
    return request


def parsed(head: bytes) -> OrdinaryRequest | None:
    """The request with this head, without the empty line at its end; None if it is not ordinary."""
    match = _HEAD.fullmatch(head.decode("latin-1"))
    if match is None:
        return None
    method, uri, path, query, block = match.groups()
    lines = block[:-2].split("\r\n")
    variables: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        variable = _variable(name)
        if not variable or variable in variables:
            return None
        variables[variable] = value.strip(" \t")
    length = variables.get("CONTENT_LENGTH", "0")
    is_plain = length.isascii() and length.isdigit() and (length[0] != "0" or length == "0")
    if len(lines) > MOST_HEADERS or "HTTP_HOST" not in variables or not is_plain or len(length) > _MOST_DIGITS:
        return None
    if variables.get("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return None
    variables["REQUEST_METHOD"] = method
    variables["RAW_URI"] = uri
    variables["QUERY_STRING"] = query or ""
    variables["PATH_INFO"] = unquote_to_wsgi_str(path) if "%" in path else path
    return OrdinaryRequest(method, variables)
