"""A greenlet that never waits lets others run."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import gevent
import pytest

from api.fairness import SLICE_SECONDS, FairSocket, in_turns

#: How often a greenlet runs while another works for ten slices; one that is not fair lets it run once, at the end.
TURNS = 3


@pytest.fixture
def turns() -> Iterator[list[float]]:
    """The times at which another greenlet ran."""
    times: list[float] = []

    def run() -> None:
        while True:
            times.append(time.monotonic())
            gevent.sleep(0)

    other = gevent.spawn(run)
    yield times
    other.kill()


def test_a_socket_with_data_that_arrived_in_advance(turns: list[float]) -> None:
    """Many reads, each of which takes less than a slice."""
    client, server = socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server)
        end = time.monotonic() + 10 * SLICE_SECONDS
        while time.monotonic() < end:
            client.send(b"x")
            assert fair.recv(1) == b"x"
    assert len(turns) >= TURNS


def test_requests_that_arrived_in_advance(turns: list[float]) -> None:
    client, server = socket.socketpair()
    with closing(client), closing(server):
        fair = FairSocket(server)
        end = time.monotonic() + 10 * SLICE_SECONDS
        while time.monotonic() < end:
            fair.give_turn()
    assert len(turns) >= TURNS


def test_items_of_a_large_request(turns: list[float]) -> None:
    end = time.monotonic() + 10 * SLICE_SECONDS
    for _ in in_turns(iter(lambda: time.monotonic() < end, False)):
        pass
    assert len(turns) >= TURNS
