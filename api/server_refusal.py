"""The server's own answers to requests that never reach the application, in the API's error shape."""

from __future__ import annotations

import json
from dataclasses import dataclass

from gunicorn.http import errors

from api.correlation import HEADER
from api.web import FIXED, HEADERS, STRICT_TRANSPORT


@dataclass(frozen=True)
class Refusal:
    """A status, its reason phrase and the sentence of the body."""

    status: int
    reason: str
    message: str

    def response(self, request_id: str, *, is_secure: bool) -> bytes:
        """The whole response. The connection ends with it: where a next request would begin is not known."""
        document = {"error": self.message, "code": self.status, "details": {"request_id": request_id}}
        body = json.dumps(document).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            (HEADER, request_id),
            *FIXED,
            *HEADERS,
            *([STRICT_TRANSPORT] if is_secure else []),
        ]
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{head}\r\n".encode("latin-1") + body


NO_HOST = Refusal(400, "Bad Request", "The request has no Host header, which HTTP/1.1 requires; send one.")
OTHER_CODING = Refusal(501, "Not Implemented", "Transfer-Encoding may only be chunked.")
FAULT = Refusal(500, "Internal Server Error", "Internal error; the API's log has the details under the request id.")


def of(error: BaseException, *, most_line: int, most_header: int, most_headers: int) -> Refusal | None:
    """The refusal for an error of gunicorn's parser; None if the client is not at fault."""
    if isinstance(error, (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)):
        return None
    if isinstance(error, errors.LimitRequestLine):
        return Refusal(
            414, "URI Too Long", f"The request line is longer than {most_line} bytes; send data in the body instead."
        )
    if isinstance(error, errors.LimitRequestHeaders):
        return Refusal(
            431,
            "Request Header Fields Too Large",
            f"The request has more than {most_headers} headers, or one of more than {most_header} bytes; send less.",
        )
    if isinstance(error, errors.ExpectationFailed):
        return Refusal(417, "Expectation Failed", "The header Expect may only be 100-continue.")
    if isinstance(error, errors.UnsupportedTransferCoding):
        return OTHER_CODING
    if isinstance(error, errors.ParseException):
        return Refusal(400, "Bad Request", f"This is not a valid HTTP request: {_shortened(error)}.")
    return None


def _shortened(error: errors.ParseException) -> str:
    """The parser's message, truncated because it quotes the request; quotes are a ``repr``."""
    text = str(error).rstrip(".")
    return text if len(text) <= 200 else f"{text[:200]}..."
