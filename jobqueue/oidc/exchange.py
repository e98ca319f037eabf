"""One HTTP request and its answer, bounded in time and size however the server behaves."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

#: Seconds for one step (connect, one read), and for the whole exchange.
STEP_SECONDS, ALL_SECONDS = 5.0, 10.0
#: Size of the largest answer that is read.
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """An answer's status and body. ``raw`` is one byte longer than the limit if the body was cut."""

    status: int
    raw: bytes


def exchange(
    method: str,
    address: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    most_bytes: int = MOST_BYTES,
    step_seconds: float = STEP_SECONDS,
    all_seconds: float = ALL_SECONDS,
) -> Answer:
    """The answer to one request. Redirects are not followed.

    Raises ``OSError`` (``TimeoutError`` after ``all_seconds``) if no answer could be read.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=step_seconds, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=step_seconds)
    )
    # a time-out per read does not end an answer that comes byte by byte
    is_late = threading.Event()
    sock: socket.socket | None = None

    def end() -> None:
        is_late.set()
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(all_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sock = connection.sock  # a response without a length detaches it from the connection
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        sent = {"Accept": "application/json", "User-Agent": "jobqueue", **(headers or {})}
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        answer = Answer(response.status, response.read(most_bytes + 1))
    except http.client.HTTPException as error:
        if is_late.is_set():
            raise TimeoutError(f"it took longer than {all_seconds:g} s") from error
        raise OSError(f"it does not speak HTTP: {error!r}") from error
    finally:
        timer.cancel()
        connection.close()
    if is_late.is_set():
        raise TimeoutError(f"it took longer than {all_seconds:g} s")
    return answer
