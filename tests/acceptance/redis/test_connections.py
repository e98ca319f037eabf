"""How many connections a real agent has, and how often it asks a Redis that has nothing for it."""

from __future__ import annotations

import signal
import time

import psutil

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.servers import Server
from tests.acceptance.support.until import until
from tests.ledger.counting import calls_of

JOBS = 200
MOST_IDLE, MOST_BUSY = 2, 3
#: Seconds that an agent without work takes to end. Its interpreter's own end is a part of them.
STOP_SECONDS = 3.0


def of_process(server: Server, pid: int) -> list[dict[str, str]]:
    """The process's entries of CLIENT LIST."""
    ours = {
        f"{one.laddr.ip}:{one.laddr.port}"
        for one in psutil.Process(pid).net_connections()
        if one.raddr and one.raddr.port == server.port
    }
    with server.client() as client:
        return [one for one in client.client_list() if one["addr"] in ours]


def test_few_while_idle_and_few_while_busy(server: Server, make_parts: MakeParts) -> None:
    parts = make_parts(server.url).start("a1")
    api, pid = parts.api, parts.agents["a1"].pid
    until(lambda: any(one["cmd"] == "brpop" for one in of_process(server, pid)), "it waits for messages")
    assert len(of_process(server, pid)) <= MOST_IDLE

    one = {"operation": {"type": "node.hostname.get", "data": {}}, "target_hostname": "a1"}
    before = api.jobs(status="completed", limit=1)["total_items"]
    for _ in range(JOBS // 40):
        assert api.post("/job/batch", {"jobs": [one] * 40}).status == 201
    most = 0

    def all_ended() -> bool:
        nonlocal most
        most = max(most, len(of_process(server, pid)))
        return bool(api.jobs(status="completed", limit=1)["total_items"] >= before + JOBS)

    until(all_ended, "all jobs have ended", 60)
    assert 2 <= most <= MOST_BUSY
    until(lambda: len(of_process(server, pid)) <= MOST_IDLE, "it is idle again", 30)


def test_an_idle_agent_rarely_asks_for_messages(server: Server, make_parts: MakeParts) -> None:
    parts = make_parts(server.url).start("a1")
    pid = parts.agents["a1"].pid
    until(lambda: any(one["cmd"] == "brpop" for one in of_process(server, pid)), "it waits for messages")
    with server.client() as client:
        calls = [calls_of(client, "brpop")]
        time.sleep(12)
        calls.append(calls_of(client, "brpop"))
    assert 1 <= calls[1] - calls[0] <= 2
    # and yet it stops at once
    begin = time.monotonic()
    parts.agents["a1"].send(signal.SIGTERM)
    assert parts.agents["a1"].wait() == 0
    assert time.monotonic() - begin < STOP_SECONDS


def test_a_drained_agent_takes_nothing_and_is_soon_back(server: Server, make_parts: MakeParts) -> None:
    parts = make_parts(server.url).start("a1", "a2")
    api, pid = parts.api, parts.agents["a1"].pid
    assert api.post("/agent/a1/drain").status == 200
    until(lambda: not any(one["cmd"] == "brpop" for one in of_process(server, pid)), "it stops waiting", 3)
    begin = time.monotonic()
    for _ in range(4):
        assert list(api.run("node.hostname.get")["responses"]) == ["a2"]
    assert time.monotonic() - begin < 3, "none of them was taken and given back"
    assert api.post("/agent/a1/undrain").status == 200
    assert list(api.run("node.hostname.get", target="a1")["responses"]) == ["a1"]
