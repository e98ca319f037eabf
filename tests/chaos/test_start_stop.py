"""Every process can be started, stopped and cut off from Redis again and again without leaving anything behind.

CHAOS_ROUNDS changes how often (100 in the long mode).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import psutil
import pytest
import urllib3
from redis.exceptions import RedisError
from urllib3.exceptions import HTTPError

from tests.acceptance.support.until import until
from tests.chaos.world import API, PATIENT, World

_ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2"))
_AGENT, _MAINTENANCE = "a1", "m1"
_NAMES = (API, _MAINTENANCE, _AGENT)
#: The first rounds warm up: scripts are loaded, allocators and pools find their size.
_WARM = 2
#: Bytes that Redis' data may differ by: times and counters take more or less digits.
_DATA_SLACK = 4096
#: Bytes that a process may grow by in a run, and per round on top of that.
_GROWTH = 8 * 1024 * 1024
_GROWTH_PER_ROUND = 64 * 1024


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    try:
        world.redis.start()
        yield world
    finally:
        world.stop()
        world.remove()
    assert world.complaints == []


def test_starting_and_stopping_leaves_nothing_behind(world: World) -> None:
    data = []
    for _ in range(_WARM + _ROUNDS):
        for name in _NAMES:
            world.launch(name)
        _wait_until_whole(world)
        processes = dict(world.processes)
        world.stop_processes()
        assert {name: process.exit_code for name, process in processes.items()} == dict.fromkeys(_NAMES, 0), world
        assert world.running() == []
        until(lambda: _connections(world) == 0, "every connection to Redis is closed")
        data.append(_data(world))
    keys, sizes = zip(*data[_WARM - 1 :], strict=True)
    for later in keys:
        assert later == keys[0], later ^ keys[0]
    assert max(sizes) - sizes[0] < _DATA_SLACK, sizes


def test_losing_every_connection_leaves_nothing_behind(world: World) -> None:
    for name in _NAMES:
        world.launch(name)
    seen = []
    for _ in range(_WARM + _ROUNDS):
        _wait_until_whole(world)
        seen.append(_use(world))
        with world.redis.client(PATIENT) as client:
            client.client_kill_filter(_type="normal", skipme=True)
    _wait_until_whole(world)
    # one look may come before every connection is back: what grows with each round is above all of the first ones
    settled = {what: max(use[what] for use in seen[: _WARM + 1]) for what in seen[_WARM]}
    for use in seen[_WARM:]:
        assert use["connections"] <= settled["connections"] + 4, seen
        for name in _NAMES:
            assert use[f"{name} threads"] <= settled[f"{name} threads"] + 2, seen
            assert use[f"{name} files"] <= settled[f"{name} files"] + 4, seen
            assert use[f"{name} bytes"] <= settled[f"{name} bytes"] + _GROWTH + _ROUNDS * _GROWTH_PER_ROUND, seen


def _wait_until_whole(world: World) -> None:
    until(lambda: _is_whole(world), "agent, API and maintenance work", 60.0)


def _is_whole(world: World) -> bool:
    dead = {name: process.log() for name, process in world.processes.items() if process.exit_code is not None}
    assert not dead, dead
    with contextlib.suppress(RedisError, HTTPError), world.redis.client() as client:
        reads = any(connection["cmd"] == "brpop" for connection in client.client_list())
        if reads and world.live_agents() == {_AGENT} and client.exists(world.keys.kind("leader")):
            answer = urllib3.request("GET", f"{world.url}/health/ready", retries=False, timeout=4.0)
            return answer.status == 200
    return False


def _connections(world: World) -> int:
    """Connections to Redis but our own."""
    with world.redis.client(PATIENT) as client:
        return len(client.client_list()) - 1


def _data(world: World) -> tuple[set[str], int]:
    """The keys in Redis that stay until they are deleted, and their bytes. Leases and probes end by themselves, and a
    round that is over quickly may not have taken each of them."""
    with world.redis.client(PATIENT) as client:
        keys = [key for key in client.scan_iter() if client.ttl(key) == -1]
        return {str(key) for key in keys}, sum(client.memory_usage(key, samples=0) or 0 for key in keys)


def _use(world: World) -> dict[str, int]:
    """What the processes hold."""
    found = {"connections": _connections(world)}
    for name in _NAMES:
        first = psutil.Process(world.processes[name].pid)
        for process in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):  # a child may end meanwhile
                use = {"threads": process.num_threads(), "files": process.num_fds(), "bytes": process.memory_info().rss}
                for what, amount in use.items():
                    found[f"{name} {what}"] = found.get(f"{name} {what}", 0) + amount
    return found
