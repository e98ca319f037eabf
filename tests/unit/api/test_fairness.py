"""A greenlet that never waits lets others run."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace

import gevent
import gevent.socket
import pytest

from api import fairness
from api.fairness import SLICE_SECONDS, FairSocket, in_turns

#: Steps of work, of which four fill a slice.
STEPS = 100
#: How often a greenlet runs meanwhile, at least; one that is not fair lets it run once, at the end.
TURNS = 15


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each step of work takes a quarter of a slice, however busy the machine is."""
    readings = iter(range(1_000_000))
    monkeypatch.setattr(fairness, "time", SimpleNamespace(monotonic=lambda: next(readings) * SLICE_SECONDS / 4))


@pytest.fixture
def turns() -> Iterator[list[int]]:
    """An item for each time that another greenlet ran."""
    runs: list[int] = []

    def run() -> None:
        while True:
            runs.append(len(runs))
            gevent.sleep(0)

    other = gevent.spawn(run)
    yield runs
    other.kill()


def test_a_socket_with_data_that_arrived_in_advance(turns: list[int]) -> None:
    """Many reads, each of which takes less than a slice."""
    client, server = socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server, 60.0)
        for _ in range(STEPS):
            client.send(b"x")
            assert fair.recv(1) == b"x"
    assert len(turns) >= TURNS


def test_requests_that_arrived_in_advance(turns: list[int]) -> None:
    client, server = socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server, 60.0)
        for _ in range(STEPS):
            fair.give_turn()
    assert len(turns) >= TURNS


def test_items_of_a_large_request(turns: list[int]) -> None:
    assert len(list(in_turns(range(STEPS)))) == STEPS
    assert len(turns) >= TURNS


def test_a_client_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait itself lets others run."""
    yields: list[float] = []
    monkeypatch.setattr(fairness, "gevent", SimpleNamespace(sleep=yields.append, get_hub=gevent.get_hub))
    client, server = gevent.socket.socketpair()

    def ask() -> None:
        for _ in range(STEPS):
            client.send(b"x")
            assert client.recv(1) == b"y"

    with closing(client), closing(server):
        asking = gevent.spawn(ask)
        fair = FairSocket(server, 60.0)
        for _ in range(STEPS):
            assert fair.recv(1) == b"x"
            fair.give_turn()
            server.send(b"y")
        asking.get()
    assert not yields


def test_no_turn_within_a_slice(turns: list[int]) -> None:
    assert list(in_turns(range(3))) == [0, 1, 2]
    assert turns == []


def test_a_client_that_does_not_receive_the_response_is_given_up() -> None:
    client, server = gevent.socket.socketpair()
    with closing(client), closing(server), pytest.raises(BrokenPipeError, match="does not receive"):
        FairSocket(server, 0.05).sendall(b"x" * 50_000_000)


def test_a_client_that_receives_slowly_gets_all() -> None:
    """Each part in its time, but not all of them."""
    client, server = gevent.socket.socketpair()
    sent, received = bytes(range(256)) * 40_000, bytearray()

    def receive() -> None:
        while data := client.recv(400_000):
            received.extend(data)
            gevent.sleep(0.1)

    reading = gevent.spawn(receive)
    with closing(client):
        FairSocket(server, 2.0).sendall(sent)
        server.close()
        reading.join()
    assert received == sent


def test_a_short_response_needs_no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = gevent.socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server, 60.0)
        monkeypatch.setattr(fairness.gevent, "Timeout", None)
        fair.sendall(b"head and body")
        assert client.recv(100) == b"head and body"


def test_what_the_system_does_not_take_is_sent_within_the_limit() -> None:
    client, server = gevent.socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server, 0.05)

        def fill() -> None:
            while True:
                fair.sendall(bytes(1000))

        with pytest.raises(BrokenPipeError, match="does not receive"):
            fill()
        server.close()
        received = bytearray()
        while data := client.recv(1 << 20):
            received += data
        assert received
        assert not any(received)


def test_under_tls_nothing_bypasses_the_encryption() -> None:
    class Encrypting(gevent.socket.socket):
        """As gevent's socket under TLS: the one inside sends plain text."""

        def sendall(self, data: bytes, flags: int = 0) -> None:
            super().sendall(bytes(data).swapcase(), flags)

    client, server = gevent.socket.socketpair()
    with closing(client), closing(Encrypting(fileno=server.detach())) as encrypting:
        FairSocket(encrypting, 60.0).sendall(b"secret")
        assert client.recv(100) == b"SECRET"
