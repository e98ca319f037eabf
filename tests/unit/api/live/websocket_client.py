"""The client's side of a websocket, over any socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, Request, TextMessage

_SECONDS = 30.0


class WebSocketClient:
    """Reads texts until the end. ``close_code`` is what the server closed with, None if the connection just ended."""

    def __init__(self, sock: socket.socket, path: str, headers: Mapping[str, str]) -> None:
        self._socket = sock
        self._socket.settimeout(_SECONDS)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = self._protocol.send(Request(host="localhost", target=path, extra_headers=extra))
        lines = request.decode().split("\r\n")[1:]
        self.headers = dict(line.split(": ", 1) for line in lines if line)
        self.close_code: int | None = None
        self.accepted = False
        self.pongs: list[bytes] = []
        self.largest_frame = 0
        self._frame = 0

    def texts(self) -> Iterator[str]:
        """Every message, as it comes."""
        while True:
            try:
                data = self._socket.recv(65_536)
            except ConnectionResetError:
                return
            if not data:
                return
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                if isinstance(event, AcceptConnection):
                    self.accepted = True
                elif isinstance(event, TextMessage):
                    self._frame += len(event.data.encode())
                    self.largest_frame = max(self.largest_frame, self._frame)
                    self._frame = 0 if event.frame_finished else self._frame
                    yield event.data
                elif isinstance(event, Ping):
                    self._socket.sendall(self._protocol.send(event.response()))
                elif isinstance(event, Pong):
                    self.pongs.append(bytes(event.payload))
                elif isinstance(event, CloseConnection):
                    self.close_code = event.code
                    if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                        self._socket.sendall(self._protocol.send(event.response()))
                    return

    def ping(self, payload: bytes) -> None:
        """Ask for a sign of life."""
        self._socket.sendall(self._protocol.send(Ping(payload)))

    def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def leave(self, code: int | None = None) -> None:
        """Close in order with ``code``, or end the connection without a word."""
        if code is None:
            self._socket.close()
        else:
            self._socket.sendall(self._protocol.send(CloseConnection(code)))
