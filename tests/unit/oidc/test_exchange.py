"""Requests to a provider that hangs, trickles or redirects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobqueue.errors import ProviderUnavailable
from jobqueue.oidc.exchange import exchange
from jobqueue.oidc.provider import Provider
from jobqueue.oidc.tokens import Registration, request_tokens


@contextmanager
def answering(*parts: bytes, hangs: bool = False) -> Iterator[str]:
    """A server that answers one connection with ``parts``; ``hangs``: and keeps it open."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for part in parts:
                    connection.sendall(part)
                if hangs:
                    over.wait(30)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join(30)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_a_provider_that_hangs(begun: bytes) -> None:
    with answering(begun, hangs=True) as url, pytest.raises(OSError, match=r"timed out|longer than 0.2 s"):
        exchange("GET", url, step_seconds=5, all_seconds=0.2)


def test_a_redirect_is_not_followed() -> None:
    with answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url:
        assert exchange("POST", url, body=b"a=1").status == 302


def test_a_redirect_of_the_token_endpoint() -> None:
    """The code and the secret are sent to no other address."""
    with answering(b"HTTP/1.1 307 Temporary\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") as url:
        provider = Provider(url, f"{url}/token")
        with pytest.raises(ProviderUnavailable, match="answered 307"):
            request_tokens(provider, Registration("a", "secret"), {"grant_type": "authorization_code"})


def test_the_answer_is_bounded() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100) as url:
        assert exchange("GET", url, most_bytes=10).raw == b"x" * 11
