"""Files that executions have sent: stored under a claim only, read in bounds, and deleted with the job."""

from __future__ import annotations

import dataclasses

import pytest

from jobqueue.errors import NotFound, RecordAltered
from jobqueue.ledger import measures
from jobqueue.model.fleet import FleetSummary
from jobqueue.model.pieces import PIECE_BYTES
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import World


def read(world: World, job_id: str, start: int, size: int, hostname: str = "a") -> bytes:
    return b"".join(world.ledger.fetched.content(job_id, hostname).read(start, size))


def test_pieces_are_read_from_any_offset(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    fetched = world.ledger.fetched
    assert fetched.open(claim) == 1
    first = bytes(range(256)) * 1020
    assert len(first) == PIECE_BYTES
    for _ in range(2):  # an answer was lost
        assert fetched.store(claim, 0, first)
    assert fetched.store(claim, 1, b"\xff\x00end")
    assert read(world, job_id, 0, PIECE_BYTES + 5) == first + b"\xff\x00end"
    assert read(world, job_id, PIECE_BYTES - 2, 3) == b"\xfe\xff\xff"
    assert read(world, job_id, PIECE_BYTES + 2, 3) == b"end"
    assert read(world, job_id, 10, 0) == b""
    with pytest.raises(NotFound, match="piece 2"):
        read(world, job_id, PIECE_BYTES + 2, 4)


def test_a_job_of_many_hosts_says_how_many(world: World) -> None:
    world.register("a", "b", "c")
    job_id = world.create(ALL)
    world.run(job_id, "b")
    assert world.ledger.fetched.open(world.claim(job_id, "a")) == 3


def test_a_later_attempt_replaces_what_an_earlier_one_sent(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    for number in range(3):
        world.ledger.fetched.store(claim, number, b"old")
    world.ledger.fetched.open(claim)
    world.ledger.fetched.store(claim, 0, b"new")
    assert read(world, job_id, 0, 3) == b"new"
    with pytest.raises(NotFound):
        read(world, job_id, 0, PIECE_BYTES + 1)
    assert world.client.hlen(world.ledger.keys.fetched(job_id, "a")) == 1


def test_a_stale_claim_stores_nothing(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    other = dataclasses.replace(claim, token="other")
    assert world.ledger.fetched.open(other) is None
    assert not world.ledger.fetched.store(other, 0, b"x")
    world.finish(claim)
    assert world.ledger.fetched.open(claim) is None
    assert not world.ledger.fetched.store(claim, 0, b"x")
    assert not world.client.exists(world.ledger.keys.fetched(job_id, "a"))


def test_a_piece_that_is_too_long_is_not_read(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    world.client.hset(world.ledger.keys.fetched(job_id, "a"), "0", "x" * (PIECE_BYTES + 1))
    with pytest.raises(NotFound, match="piece 0"):
        read(world, job_id, 0, 1)


def test_a_key_of_another_type(world: World) -> None:
    world.register("a")
    job_id = world.create("a")
    claim = world.claim(job_id, "a")
    world.client.set(world.ledger.keys.fetched(job_id, "a"), "x")
    with pytest.raises(RecordAltered):
        read(world, job_id, 0, 1)
    assert world.ledger.fetched.open(claim) == 1
    assert world.ledger.fetched.store(claim, 0, b"x")


def test_files_of_all_attempts_are_deleted_with_the_job(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ANY)
    claim = world.claim(job_id, ANY, "a")
    world.ledger.fetched.open(claim)
    world.ledger.fetched.store(claim, 0, b"x")
    world.retry_later(claim, 0)
    world.promote()
    claim = world.claim(job_id, ANY, "b")
    world.ledger.fetched.open(claim)
    world.ledger.fetched.store(claim, 0, b"x")
    world.finish(claim)
    pattern = f"{world.ledger.keys.kind('fetched')}*"
    assert len(world.client.keys(pattern)) == 2
    world.jobs.delete(job_id)
    assert world.client.keys(pattern) == []


def test_space_is_reserved_once_and_released_with_the_job(world: World) -> None:
    world.register("a", "b")
    fetched = world.ledger.fetched
    first, second = world.create("a"), world.create("b")
    claim, other = world.claim(first, "a"), world.claim(second, "b")
    for _ in range(2):  # an answer was lost
        assert fetched.reserve(claim, 60, 100)
    assert fetched.total() == 60
    assert measures.read(world.ledger, [], lambda: FleetSummary(world.ledger.time())).fetched_bytes == 60
    assert fetched.reserve(other, 41, 100) is False
    assert fetched.total() == 60
    assert fetched.reserve(other, 40, 100)
    fetched.open(claim)  # another attempt begins
    assert fetched.total() == 40
    assert fetched.reserve(claim, 10, 100)
    assert fetched.reserve(dataclasses.replace(claim, token="other"), 1, 100) is None
    world.finish(claim)
    world.finish(other)
    world.jobs.delete(first)
    assert fetched.total() == 40
    world.jobs.delete(second)
    assert fetched.total() == 0
    assert world.client.hkeys(world.ledger.keys.kind("fetched_bytes")) == ["all"]


def test_space_of_a_broadcast_is_released(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ALL)
    for host in ("a", "b"):
        claim = world.claim(job_id, host)
        assert world.ledger.fetched.reserve(claim, 5, 100)
        world.finish(claim)
    assert world.ledger.fetched.total() == 10
    world.jobs.delete(job_id)
    assert world.ledger.scripts.call("remove_executions", job_id, 10) == "done"
    assert world.ledger.fetched.total() == 0


@pytest.mark.parametrize("text", ["x", "-5", "9" * 40])
def test_a_total_that_an_agent_has_overwritten(world: World, text: str) -> None:
    key = world.ledger.keys.kind("fetched_bytes")
    world.client.hset(key, "all", text)
    assert world.ledger.fetched.total() == 0
    world.client.delete(key)
