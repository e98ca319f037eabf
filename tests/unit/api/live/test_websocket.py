"""The server's side of a websocket: handshake, signs of life, slow and silent readers, how it ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from flask import Flask

from api.live import frame_limit, websocket
from api.live.websocket import Gone, UpgradeRequired, WebSocket
from tests.unit.api.live.websocket_client import WebSocketClient


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A real connection: a reset is something else than an end there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket]) -> WebSocketClient:
    return WebSocketClient(pair[0], "/tail", {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(pair: tuple[socket.socket, socket.socket], client: WebSocketClient, clock: Clock) -> WebSocket:
    with Flask("test").test_request_context("/tail", headers=client.headers) as context:
        context.request.environ["gunicorn.socket"] = pair[1]
        accepted = WebSocket.accept()
    accepted._clock = clock
    accepted._heard = accepted._asked = clock()
    accepted._intake = frame_limit.Intake(clock)
    return accepted


def test_an_orderly_end(server: WebSocket, client: WebSocketClient) -> None:
    closing = threading.Thread(target=server.close)
    server.send("one")
    server.send("zwei €")
    closing.start()
    assert list(client.texts()) == ["one", "zwei €"]
    assert (client.accepted, client.close_code) == (True, 1000)
    closing.join(30)
    assert not closing.is_alive()


def test_abort_is_a_reset(server: WebSocket, pair: tuple[socket.socket, socket.socket]) -> None:
    server.abort()
    with pytest.raises(ConnectionResetError):
        read_all(pair[0])
    server.abort()  # once more does no harm


def test_the_end_of_the_process_is_a_reset_too(server: WebSocket, pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].close()  # as the kernel does for a process that was killed
    with pytest.raises(ConnectionResetError):
        read_all(pair[0])


def test_a_ping_does_not_disturb_the_end(server: WebSocket, client: WebSocketClient) -> None:
    server.send("x")
    texts = client.texts()
    assert next(texts) == "x"
    client.ping(b"there?")
    closing = threading.Thread(target=server.close)
    closing.start()
    assert list(texts) == []
    assert client.close_code == 1000
    closing.join(30)
    assert not closing.is_alive()


def test_a_ping_is_answered(server: WebSocket, client: WebSocketClient) -> None:
    server.send("x")
    texts = client.texts()
    next(texts)
    client.ping(b"there?")
    wait_for_data(server)
    server.attend()
    server.send("y")
    assert next(texts) == "y"
    assert client.pongs == [b"there?"]


def test_a_silent_reader_is_asked_and_then_given_up(server: WebSocket, client: WebSocketClient, clock: Clock) -> None:
    for _ in range(3):
        clock.now += websocket.PING_SECONDS
        server.attend()
    clock.now += 1
    with pytest.raises(Gone, match="no answer to a ping"):
        server.attend()


def test_a_reader_that_answers_is_kept(server: WebSocket, client: WebSocketClient, clock: Clock) -> None:
    server.send("hello")
    texts = client.texts()
    assert next(texts) == "hello"
    for number in range(10):
        clock.now += websocket.PING_SECONDS + 1
        server.attend()  # asks
        server.send(str(number))
        assert next(texts) == str(number)  # and on its way answers
        wait_for_data(server)
        server.attend()


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_reader_that_closes(server: WebSocket, client: WebSocketClient, code: int) -> None:
    server.send("x")
    next(client.texts())
    client.leave(code)
    wait_for_data(server)
    with pytest.raises(Gone, match="closed the websocket"):
        server.attend()
    list(client.texts())
    assert client.close_code == code  # it has been answered


def test_a_reader_that_vanishes(server: WebSocket, client: WebSocketClient) -> None:
    server.send("x")
    next(client.texts())
    client.leave()
    wait_for_data(server)
    with pytest.raises(Gone):
        server.attend()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x81\x05hello", b"\x83\x80abcd", b"\xff" * 100])
def test_invalid_websocket_requests(server: WebSocket, client: WebSocketClient, data: bytes) -> None:
    client.say(data)
    wait_for_data(server)
    with pytest.raises(Gone):
        server.attend()


def test_a_reader_that_takes_nothing(server: WebSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SEND_SECONDS", 0.1)
    with pytest.raises(Gone):
        server.send("x" * 100_000_000)


@pytest.mark.parametrize(
    "change",
    [
        {"Upgrade": "h2c"},
        {"Connection": "keep-alive"},
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Key": None},
        {"Upgrade": None},
    ],
    ids=str,
)
def test_what_asks_for_no_websocket(
    pair: tuple[socket.socket, socket.socket], client: WebSocketClient, change: dict[str, str | None]
) -> None:
    headers = {name: text for name, text in (client.headers | change).items() if text is not None}
    with Flask("test").test_request_context("/tail", headers=headers) as context:
        context.request.environ["gunicorn.socket"] = pair[1]
        with pytest.raises(UpgradeRequired):
            WebSocket.accept()


def test_a_server_that_hands_nothing_over(client: WebSocketClient) -> None:
    with Flask("test").test_request_context("/tail", headers=client.headers), pytest.raises(UpgradeRequired):
        WebSocket.accept()


def read_all(sock: socket.socket) -> None:
    """To the end."""
    while sock.recv(1000):
        pass


def wait_for_data(server: WebSocket) -> None:
    """Until something has come that the server has not read, or the end."""
    server._socket.settimeout(30)
    server._socket.recv(1, socket.MSG_PEEK)


def frame(payload: bytes = b"", *, opcode: int, final: bool = True) -> bytes:
    """A client's frame (RFC 6455, 5.2), masked with zeros."""
    assert len(payload) < 126
    return bytes([(0x80 if final else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload


FLOODS = {
    "empty messages": frame(opcode=1),
    "empty binary messages": frame(opcode=2),
    "pings": frame(opcode=9),
    "pings with something in them": frame(b"x" * 100, opcode=9),
    "pongs": frame(opcode=10),
    "full messages": frame(b"x" * 125, opcode=1),
}


def flood(server: WebSocket, client: WebSocketClient, first: bytes, each: bytes) -> int:
    """How many frames the server has looked at when it ends the connection."""
    seen = 0
    count = server._intake.take_frame

    def counting() -> None:
        nonlocal seen
        seen += 1
        count()

    server._intake.take_frame = counting  # type: ignore[method-assign]
    sender = threading.Thread(target=say, args=(client, first + each * 20_000), daemon=True)
    sender.start()
    with pytest.raises(Gone, match="sent too much"):
        attend(server, 10_000)
    server.abort()
    sender.join(30)
    return seen


def attend(server: WebSocket, times: int) -> None:
    for _ in range(times):
        wait_for_data(server)
        server.attend()


def say(client: WebSocketClient, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the server has had enough
        client.say(data)


@pytest.mark.parametrize("each", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_frames_ends_the_connection(server: WebSocket, client: WebSocketClient, each: bytes) -> None:
    assert flood(server, client, b"", each) <= frame_limit.BURST_FRAMES + 1


@pytest.mark.parametrize("each", [frame(opcode=0, final=False), frame(b"x", opcode=0, final=False)])
def test_a_message_without_end_does(server: WebSocket, client: WebSocketClient, each: bytes) -> None:
    assert flood(server, client, frame(opcode=1, final=False), each) <= frame_limit.BURST_FRAMES + 1


def test_one_endless_frame_does(server: WebSocket, client: WebSocketClient) -> None:
    head = bytes([0x82, 0x80 | 127]) + (2**62).to_bytes(8, "big") + bytes(4)
    assert flood(server, client, head, b"x" * 100) <= frame_limit.BURST_FRAMES + 1


def test_the_close_code_reaches_the_client(server: WebSocket, client: WebSocketClient) -> None:
    client.say(frame(opcode=9) * (frame_limit.BURST_FRAMES + 10))
    with pytest.raises(Gone):
        attend(server, 100)
    assert list(client.texts()) == []
    assert client.close_code == 1008


def test_a_flood_while_it_closes(server: WebSocket, client: WebSocketClient) -> None:
    """Also where the server only waits for the answer to its own close."""
    sender = threading.Thread(target=say, args=(client, frame(opcode=1) * 20_000), daemon=True)
    sender.start()
    server.close()
    server.abort()
    sender.join(30)
    assert server._intake._frames < 0


def test_a_client_that_pings_now_and_then_goes_on(server: WebSocket, client: WebSocketClient, clock: Clock) -> None:
    for _ in range(3 * frame_limit.BURST_FRAMES):
        client.say(frame(b"there?", opcode=9))
        wait_for_data(server)
        clock.now += 1
        server.attend()
    server.send("still here")
    assert next(client.texts()) == "still here"
