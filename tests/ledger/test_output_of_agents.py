"""Output that a compromised agent has appended: its Redis user may append entries of any size and form."""

from __future__ import annotations

import base64
import threading
import time

import pytest
import redis

from jobqueue.ledger.executions import Claim
from jobqueue.ledger.output import Piece
from jobqueue.ledger.stream_watch import StreamWatch
from jobqueue.model.output import AGENT
from jobqueue.services.output import OutputReader
from tests.ledger.clock import FakeClock
from tests.ledger.servers import on_real_servers
from tests.ledger.world import World

LARGE = 2 * 1024 * 1024


@pytest.fixture
def world(client: redis.Redis, clock: FakeClock) -> World:
    world = World(client, clock)
    world.register("a")
    return world


@pytest.fixture
def grant(world: World) -> Claim:
    return world.claim(world.create("a"), "a")


def forge(world: World, grant: Claim, offset: int, **fields: str) -> None:
    world.client.xadd(world.ledger.keys.log(grant.job_id, "a"), {**fields}, id=f"{offset}-0")


def append(world: World, grant: Claim, number: int, *data: bytes) -> None:
    assert world.ledger.output.append(grant, number, [Piece("stdout", one) for one in data])


def received(client: redis.Redis) -> int:
    """Bytes that the server has sent."""
    return int(client.info("stats")["total_net_output_bytes"])


def read_all(world: World, grant: Claim) -> list[tuple[str, bytes]]:
    offset, found = 0, []
    while chunks := world.ledger.output.read(grant.job_id, "a", offset).chunks:
        found += [(chunk.stream, chunk.data) for chunk in chunks]
        offset = chunks[-1].end
    return found


@on_real_servers
def test_huge_entries_are_left_out(world: World, grant: Claim) -> None:
    append(world, grant, 1, b"before\n")
    for number in range(10):
        forge(world, grant, 100 + number, s="stdout", t="x" * LARGE, a="1")
    append(world, grant, 2, b"after\n")
    begun = received(world.client)
    found = read_all(world, grant)
    assert received(world.client) - begun < 64 * 1024
    note = f"[entry of {LARGE + 10} bytes left out: no agent of jobqueue sends such output]\n".encode()
    assert found == [("stdout", b"before\n"), *[(AGENT, note)] * 10, ("stdout", b"after\n")]


def test_one_read_examines_a_bounded_number_of_bytes(world: World, grant: Claim) -> None:
    for number in range(10):
        forge(world, grant, 100 + number, s="stdout", t="x" * 300_000, a="1")
    (chunk,) = world.ledger.output.read(grant.job_id, "a", 0).chunks
    assert chunk.stream == "stdout"
    assert len(read_all(world, grant)) == 10


@pytest.mark.parametrize(
    "fields",
    [
        {"x": "y"},
        {"s": "stdout", "a": "1"},
        {"s": "stdout", "t": "x", "a": "no number"},
        {"s": "stdout", "b": "=", "a": "1"},
        {"s": "other", "t": "x", "a": "1"},
        {"left": "x", "s": "y"},
    ],
    ids=str,
)
def test_entries_of_other_forms_are_left_out(world: World, grant: Claim, fields: dict[str, str]) -> None:
    forge(world, grant, 1, **fields)
    append(world, grant, 1, b"mine\n")
    size = sum(len(text) for pair in fields.items() for text in pair)
    (stream, note), mine = read_all(world, grant)
    assert (stream, mine) == (AGENT, ("stdout", b"mine\n"))
    assert note.startswith(b"[entry of ")
    assert size >= int(note.split()[2])


def test_the_largest_pieces_of_an_agent_arrive_whole(world: World, grant: Claim) -> None:
    text, binary = b"x" * 65536, b"\xff" * 65536
    append(world, grant, 1, text, binary, text, binary, b"end")
    assert len(base64.b64encode(binary)) > len(text)
    assert b"".join(data for _, data in read_all(world, grant)) == text + binary + text + binary + b"end"


@on_real_servers
def test_a_follower_waits_without_receiving_the_entry(world: World, grant: Claim) -> None:
    key = world.ledger.keys.log(grant.job_id, "a")
    watch = StreamWatch(world.client)
    begun, received_before = time.monotonic(), received(world.client)
    late = threading.Timer(0.2, lambda: forge(world, grant, 1, s="stdout", t="x" * LARGE, a="1"))
    late.start()
    watch.wait(key, "0-0", 30.0)
    late.join()
    assert 0.1 < time.monotonic() - begun < 20
    watch.wait(key, "0-0", 30.0)
    assert time.monotonic() - begun < 20
    assert received(world.client) - received_before < 64 * 1024
    assert world.client.xlen(key) == 1  # the connection that it used is in order


def test_a_wait_ends_in_time(world: World, grant: Claim) -> None:
    begun = time.monotonic()
    world.ledger.output.wait(grant.job_id, "a", 0, 0.05)
    assert 0.04 < time.monotonic() - begun < 10


@on_real_servers
@pytest.mark.parametrize("fields", [{"end": "completed"}, {"s": "stdout", "t": "x", "a": "1"}], ids=["end", "output"])
def test_an_entry_without_output_keeps_no_follower_busy(world: World, grant: Claim, fields: dict[str, str]) -> None:
    append(world, grant, 1, b"one\n")
    for number in (1, 2):
        world.client.xadd(world.ledger.keys.log(grant.job_id, "a"), {**fields}, id=f"4-{number}")
    slept: list[float] = []
    reader = OutputReader(world.jobs, world.executions, world.ledger.output, world.ledger.job_slots, slept.append)
    pages = reader.follow(grant.job_id)
    assert next(pages).chunks[0].data == b"one\n"
    assert [next(pages).chunks for _ in range(4)] == [()] * 4
    assert slept == [0.05, 0.1, 0.2]
    world.finish(grant)
    assert next(pages).complete
