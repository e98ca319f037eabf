"""Redis away, silent, or back again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.connection import connect
from jobqueue.model.filter import JobFilter
from jobqueue.model.target import ANY
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.conftest import connect_patiently
from tests.ledger.redis_server import RedisServer
from tests.ledger.world import World

pytestmark = pytest.mark.realredis


@pytest.fixture
def server(redis_binary: Path, short_path: Path) -> Iterator[RedisServer]:
    """A server that this test may break; its data outlives a crash."""
    server = RedisServer(redis_binary, short_path, persistent=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_world(server: RedisServer, clock: FakeClock) -> Iterator[World]:
    with connect(server.url) as client:
        yield World(client, clock)


def check_unavailable_soon(call: Callable[[], object]) -> None:
    start = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        call()
    assert time.monotonic() - start < 10  # 1.5 s by itself; a busy machine adds to it


def test_a_redis_that_is_gone_is_said_to_be_soon(own_world: World, server: RedisServer) -> None:
    own_world.register("a")
    job = own_world.new_job(ANY)
    server.kill()
    for call in (
        lambda: own_world.new_jobs.create(job, own_world.template),
        lambda: own_world.new_jobs.create_many([job], own_world.template),
        lambda: own_world.jobs.page(JobFilter()),
        own_world.agents.all,
        own_world.ledger.ping,
        own_world.ledger.stats,
    ):
        check_unavailable_soon(call)
    server.start()
    own_world.create(ANY)


def test_a_redis_that_is_silent_is_said_to_be_soon(own_world: World, server: RedisServer) -> None:
    own_world.register("a")
    server.pause()
    try:
        check_unavailable_soon(lambda: own_world.create(ANY))
    finally:
        server.go_on()
    own_world.create(ANY)
    invariants.check(own_world.client, own_world.ledger.keys)


def test_a_restart_loses_nothing_and_needs_no_new_client(own_world: World, server: RedisServer) -> None:
    own_world.register("a")
    done, running, waiting = (own_world.create("a") for _ in range(3))
    own_world.run(done, "a")
    claim = own_world.claim(running, "a")
    before = own_world.jobs.page(JobFilter())
    server.kill()
    server.start()
    assert own_world.jobs.page(JobFilter()) == before
    assert own_world.claim(running, "a", token=claim.token) == claim
    own_world.finish(claim)
    own_world.run(waiting, "a")
    invariants.check(own_world.client, own_world.ledger.keys)


@pytest.mark.parametrize("binary", ["redis_url", "oldest_redis_url"])
def test_a_redis_without_memory_takes_nothing_by_halves(
    binary: str, request: pytest.FixtureRequest, clock: FakeClock
) -> None:
    with connect_patiently(request.getfixturevalue(binary)) as client:
        client.flushall()
        world = World(client, clock)
        world.register("a")
        job_id = world.create("a")
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(LedgerUnavailable, match="takes no writes"):
                world.create("a")
        finally:
            client.config_set("maxmemory", "0")
        assert world.jobs.page(JobFilter()).total == 1
        world.run(job_id, "a")
        invariants.check(client, world.ledger.keys)


@pytest.mark.parametrize("binary", ["redis_url", "oldest_redis_url"])
def test_a_replica_takes_no_writes(binary: str, request: pytest.FixtureRequest, clock: FakeClock) -> None:
    """As after a fail-over, while a client still speaks to the former master."""
    with connect_patiently(request.getfixturevalue(binary)) as client:
        client.flushall()
        world = World(client, clock)
        world.register("a")
        client.config_set("replica-serve-stale-data", "yes")
        client.replicaof("127.0.0.1", 1)
        try:
            with pytest.raises(LedgerUnavailable):
                world.create("a")
        finally:
            client.replicaof("NO", "ONE")
        world.create("a")
