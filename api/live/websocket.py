"""Websockets on a connection that gunicorn hands over.

The protocol is wsproto's; this module moves its bytes, and limits the work that a client can cause.
simple-websocket (MIT, kept; 1.1.0 was looked at) is wsproto with a thread for each connection. That thread handles
every frame that comes, however many: ``max_message_size``, off by default, bounds the size of a message and nothing
else. Whole messages are queued without a bound, which an application that only sends would have to empty. It writes by
``socket.send``, which may send a part. And it offers no other end than a close frame, for which it does not wait for an
answer; a reader of output must see a connection that broke as broken.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.exceptions import HTTPException
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping
from wsproto.utilities import RemoteProtocolError

from api.live.frame_limit import Exceeded, Intake

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Seconds after which a reader that takes nothing is given up.
SEND_SECONDS = 30.0
#: Seconds of silence after which the other side is asked whether it is there; after three of them it is given up.
PING_SECONDS = 20.0
_PATIENCE = 3
#: Seconds that the other side has to answer a close.
CLOSE_SECONDS = 5.0
#: Bytes that are read at a time: 700 of the smallest frames, which wsproto takes 10 ms for.
_READ_BYTES = 4096
#: The close code for a client that sends more than it may (RFC 6455, 7.4.1: policy violation).
_POLICY = 1008


class UpgradeRequired(HTTPException):
    """The request is not a websocket handshake."""

    code = 426
    description = "This route supports websocket (version 13) only; use a websocket client."

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        """The headers that name the protocol to upgrade to."""
        return [*super().get_headers(*args, **kwargs), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]


class Gone(Exception):
    """The other side has left, or takes nothing any more."""


class WebSocket:
    """The server's side of one websocket, for one thread (or greenlet). Every method but ``abort`` raises ``Gone``."""

    def __init__(
        self, sock: socket.socket, protocol: WSConnection, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._socket = sock
        self._protocol = protocol
        self._clock = clock
        self._heard = self._asked = clock()
        self._intake = Intake(clock)

    @classmethod
    def accept(cls) -> WebSocket:
        """Accept the current request's websocket; raises ``UpgradeRequired`` if it is not a websocket request."""
        server_socket = request.environ.get("gunicorn.socket")
        connection: socket.socket | None = getattr(server_socket, "unbuffered", server_socket)  # see api.worker
        protocol = WSConnection(ConnectionType.SERVER)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
        try:
            if connection is None:
                raise RemoteProtocolError("the server has no connection to hand over")
            protocol.initiate_upgrade_connection(headers, b"/")
        except (RemoteProtocolError, ValueError) as error:
            raise UpgradeRequired from error
        websocket = cls(connection, protocol)
        websocket._reset_at_end(True)
        websocket._emit(AcceptConnection())
        return websocket

    def send(self, text: str) -> None:
        """Send one message; waits while the other side is slower."""
        self._emit(Message(data=text))

    def attend(self) -> None:
        """Handle received data without waiting, and ping the client from time to time."""
        while data := self._receive(0.0):
            self._take(data)
        now = self._clock()
        if now - self._heard > _PATIENCE * PING_SECONDS:
            raise Gone("no answer to a ping")
        if now - max(self._heard, self._asked) > PING_SECONDS:
            self._asked = now
            self._emit(Ping())

    def close(self) -> None:
        """Close in order: everything that was sent is read before the connection ends."""
        self._emit(CloseConnection(code=1000))
        # closing with unread data resets the connection, and the client loses what it has not read yet
        end = self._clock() + CLOSE_SECONDS
        try:
            while (seconds := end - self._clock()) > 0 and (data := self._receive(seconds)):
                self._take(data)
        except Gone:
            pass  # answered, or left without an answer; either way it is over
        self._reset_at_end(False)

    def abort(self) -> None:
        """Reset the connection: to the other side it is broken (code 1006), not ended."""
        self._socket.close()

    def response(self) -> Response:
        """The view's response after the websocket has ended."""
        return _Handled()

    def _reset_at_end(self, is_reset: bool) -> None:
        """Make the connection end with a reset, so that a killed process does not look like an orderly close."""
        with suppress(OSError):  # it is broken already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(is_reset), 0))

    def _emit(self, event: Event) -> None:
        try:
            self._socket.settimeout(SEND_SECONDS)
            self._socket.sendall(self._protocol.send(event))
        except OSError as error:  # TimeoutError is one
            raise Gone(str(error) or "the connection broke") from error

    def _receive(self, seconds: float) -> bytes:
        """Received data, waiting up to ``seconds`` for it; empty if none arrives."""
        try:
            self._socket.settimeout(seconds)
            data = self._socket.recv(_READ_BYTES)
        except (TimeoutError, BlockingIOError):
            return b""
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("the connection was closed")
        return data

    def _take(self, data: bytes) -> None:
        self._heard = self._clock()
        try:
            self._intake.take_bytes(len(data))
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._intake.take_frame()
                if isinstance(event, Ping) and self._protocol.state is ConnectionState.OPEN:
                    self._emit(event.response())
                elif isinstance(event, CloseConnection):
                    self._answer(event)
        except RemoteProtocolError as error:
            raise Gone(f"invalid websocket data: {error}") from error
        except Exceeded as error:
            if self._protocol.state is ConnectionState.OPEN:
                self._emit(CloseConnection(code=_POLICY, reason="too much was sent"))
            raise Gone(f"the reader sent too much: {error}") from error

    def _answer(self, event: CloseConnection) -> None:
        if self._protocol.state is ConnectionState.REMOTE_CLOSING:
            self._emit(event.response())
        raise Gone("the reader closed the websocket")


class _Handled(Response):
    """Signals gunicorn that the connection has been answered and is closed."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise StopIteration
