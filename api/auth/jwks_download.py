"""One download of a key set, bounded in time and size however the server behaves."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from api.auth.jwk import MOST_BYTES

#: Seconds for one step (connect, one read), and for all of it.
STEP_SECONDS, ALL_SECONDS = 3.0, 10.0


def download(address: str) -> bytes:
    """The body of a 200 answer. Raises ``OSError`` or ``ValueError``; a redirect is not followed."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=STEP_SECONDS, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=STEP_SECONDS)
    )
    # a time-out per read does not end an answer that comes byte by byte
    is_late = threading.Event()
    sock: socket.socket | None = None

    def end() -> None:
        is_late.set()
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(ALL_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sock = connection.sock  # a response without a length detaches it from the connection
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "jobqueue"})
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"it answered {response.status}, not 200")
        raw = response.read(MOST_BYTES + 1)
    except http.client.HTTPException as error:
        raise OSError(f"it does not speak HTTP: {error!r}") from error
    finally:
        timer.cancel()
        connection.close()
    if is_late.is_set():
        raise TimeoutError(f"it took longer than {ALL_SECONDS:g} s")
    return raw
