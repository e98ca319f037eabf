"""Sends a message as one HTTP request to an address that was checked."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from jobqueue import __version__
from jobqueue.model.notification import Message
from jobqueue.services.notifications import standard_webhooks
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.receivers import Receivers, http_refused

#: Seconds for a connection, and for all of a request.
CONNECT_SECONDS, TOTAL_SECONDS = 5.0, 15.0
#: The longest ``Retry-After`` that is obeyed, in seconds.
MOST_RETRY_AFTER = 3600.0
_PORTS = {"https": 443, "http": 80}
_REDIRECTS, _GONE, _BUSY = range(300, 400), 410, (429, 503)
MAX_URL = 2000


@dataclass(frozen=True)
class Address:
    """The parts of a webhook's URL. ``path`` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def address_of(url: str) -> Address:
    """The parts of a URL. Raises ``DeliveryFailed`` for one that cannot be a webhook's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise DeliveryFailed("The URL is not valid.") from error
    if parts.username is not None or parts.password is not None:
        raise DeliveryFailed(
            'The URL contains credentials. Store it as a secret of the API, and name that: {"$secret": "name"}; or '
            "leave them out: the receiver verifies the signature."
        )
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or len(url) > MAX_URL:
        raise DeliveryFailed("The URL must be https://host/path, or http:// for a host that a setting allows.")
    if not url.isascii() or not url.isprintable() or " " in url or parts.fragment:
        raise DeliveryFailed("The URL must be of printable ASCII characters, without spaces or a fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path)


class WebhookSender:
    """Sends messages. ``clock`` is in seconds since the epoch."""

    def __init__(
        self,
        receivers: Receivers,
        clock: Callable[[], float],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._receivers = receivers
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds

    def check(self, url: str) -> None:
        """Raise ``DeliveryFailed`` for a URL to which no message can be sent, as far as that is known beforehand."""
        address = address_of(url)
        self._receivers.check(address.host, is_plain=address.scheme == "http")

    def send(self, url: str, key: bytes, message: Message) -> None:
        """Send a message, in at most ``total_seconds``; redirects are not followed. Raises ``DeliveryFailed``."""
        address = address_of(url)
        receiver = self._receivers.find(address.host, address.port)
        if address.scheme == "http" and not receiver.is_allowed:
            raise http_refused(address.host)
        content = json.dumps(message.content, separators=(",", ":")).encode()
        headers = {
            "Host": address.authority,
            "Content-Type": "application/json",
            "User-Agent": f"jobqueue/{__version__}",
            "Connection": "close",
            **standard_webhooks.headers(key, message.id, int(self._clock()), content),
        }
        connection = self._connection(address, receiver.address)
        status, retry_after = self._answer(connection, address.path, content, headers)
        _check(status, retry_after)

    def _connection(self, address: Address, ip: str) -> HTTPConnection:
        if address.scheme == "http":
            return HTTPConnection(ip, address.port, timeout=self._connect_seconds)
        # the context verifies the certificate for the name, not for the address
        return HTTPSConnection(
            ip, address.port, timeout=self._connect_seconds, ssl_context=_context(), server_hostname=address.host
        )

    def _answer(
        self, connection: HTTPConnection, path: str, content: bytes, headers: dict[str, str]
    ) -> tuple[int, str | None]:
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)

        # the time limit of a socket is for each of its steps: a receiver that sends a byte now and then would hang
        watch = threading.Timer(self._total_seconds, end)
        watch.daemon = True
        watch.start()
        try:
            connection.connect()
            if connection.sock is not None:
                connection.sock.settimeout(self._total_seconds)
            connection.request("POST", path, body=content, headers=headers)
            answer = connection.getresponse()
            status, retry_after = int(answer.status), answer.headers.get("Retry-After")
            if is_late.is_set():  # headers that were cut off look like their end
                raise TimeoutError
        except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
            if is_late.is_set() or isinstance(error, TimeoutError):
                raise DeliveryFailed(f"The receiver did not answer within {self._total_seconds:g} s.") from error
            raise DeliveryFailed(f"The receiver could not be reached: {_reason(error)}.") from error
        finally:
            watch.cancel()
            connection.close()
        return status, retry_after


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    """A short reason without the address, whose path may be secret."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({cause.verify_message})"
    if isinstance(cause, OSError) and cause.strerror:
        return str(cause.strerror)
    return type(cause).__name__


def _check(status: int, retry_after: str | None) -> None:
    """Raise ``DeliveryFailed`` unless the receiver took the message."""
    if status in range(200, 300):
        return
    if status in _REDIRECTS:
        raise DeliveryFailed(f"The receiver answered {status}: redirects are not followed; store the final URL.")
    if status == _GONE:
        raise DeliveryFailed("The receiver answered 410 Gone.", is_gone=True)
    wait = None
    if status in _BUSY and retry_after and retry_after.strip().isdecimal():
        wait = min(float(retry_after.strip()[:9]), MOST_RETRY_AFTER)
    raise DeliveryFailed(f"The receiver answered {status}.", retry_after=wait)
