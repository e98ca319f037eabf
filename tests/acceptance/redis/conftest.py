"""Redis servers for the tests to break, and systems that run on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Maker
from tests.acceptance.redis.parts import Parts
from tests.acceptance.redis.servers import Server

MakeParts = Callable[[str], Parts]


@pytest.fixture
def place(home: Path) -> Path:
    """A directory of the test's own, with a short name."""
    return Path(tempfile.mkdtemp(prefix="r-", dir=home))


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    """One Redis that keeps its data over a restart."""
    # what it has answered is in the file, also if it is killed: with `everysec` it may write up to two seconds later
    server = Server(place / "redis", "appendonly yes", "appendfsync no", 'save ""').start()
    yield server
    server.stop()


@pytest.fixture
def own_stacks(home: Path) -> Iterator[Maker]:
    """Makes stacks that end with the test: until the module ends they would ask a Redis that is gone, all together."""
    maker = Maker(home)
    yield maker
    maker.close()


@pytest.fixture
def make_parts(own_stacks: Maker, with_own_plugin: dict[str, str]) -> MakeParts:
    """Makes a system on the Redis of an address; nothing of it is started yet."""
    return lambda url: Parts(own_stacks({**with_own_plugin, **Parts.environ(url)}))
