"""Starting on a Redis that is not there yet, or that will not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.servers import Server
from tests.acceptance.support.until import until

COMMANDS = {"api": ["api"], "maintenance": ["maintenance"], "worker": ["worker", "--hostname", "a1"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_redis_that_drops_keys_is_refused(place: Path, make_parts: MakeParts, name: str) -> None:
    server = Server(place / "lossy", "maxmemory 64mb", "maxmemory-policy allkeys-lru").start()
    try:
        process = make_parts(server.url).stack.start(name, COMMANDS[name])
        assert process.wait() != 0
    finally:
        server.stop()
    log = process.log()
    assert "Redis has maxmemory-policy allkeys-lru: jobs would vanish when its memory is full. Set it:" in log
    assert "Traceback" not in log


def test_all_parts_wait_for_a_redis_that_comes_later(place: Path, make_parts: MakeParts) -> None:
    server = Server(place / "late")
    parts = make_parts(server.url)
    maintenance = parts.start_maintenance()
    agent = parts.stack.agent("a1", wait=False)
    parts.start_api()
    assert parts.status("/health/ready") == 503
    for process in (maintenance, agent):
        until(lambda process=process: "Cannot start yet, retrying" in process.log(), f"{process.name} waits")
    try:
        server.start()
        parts.api.wait_for_agent("a1")
        assert parts.api.run("node.hostname.get", target="a1")["status"] == "completed"
        assert maintenance.exit_code is None
    finally:
        parts.stack.close()
        server.stop()
