"""Redis is killed, paused, or behind a connection that goes silent: what was accepted runs, once, and soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.parts import LEASE_SECONDS
from tests.acceptance.redis.proxy import Proxy
from tests.acceptance.redis.servers import Server
from tests.acceptance.support.api import Api, assert_error, request
from tests.acceptance.support.until import until

NOTE = "accept.note.do"
#: Seconds within which agents work again once Redis does; for a connection that went silent, from that moment.
#: Half as many are enough by themselves; the machine may be busy.
RECOVERY, DEAF_RECOVERY = 20.0, 25.0


def submit_when_possible(api: Api, target: str, seconds: float) -> str:
    """The id of a job that some API process takes before long: one of its connections may have to fail first."""
    found: list[str] = []

    def accepted() -> bool:
        answer = api.post("/job", request("node.hostname.get", target=target))
        if answer.status == 503:
            assert_error(answer, 503)
            return False
        assert answer.status in (201, 202), answer
        found.append(answer.json["job_id"])
        return True

    until(accepted, "a job is accepted", seconds)
    return found[0]


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_a_redis_that_is_killed(server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    """SIGKILL, and away for longer than a lease; its append-only file has everything."""
    parts = make_parts(server.url).start("a1", "a2")
    api = parts.api
    # it ends while Redis is away; another waits behind it in a queue; one is for a host that comes later
    running = api.submit(NOTE, {"file": str(tmp_path / "running"), "seconds": 2}, "a1")
    until((tmp_path / "running").exists, "it runs")
    waiting = [api.submit(NOTE, {"file": str(tmp_path / f"waiting{n}"), "seconds": 0.2}, "a2") for n in range(8)]
    server.kill()
    until(lambda: parts.status("/health/ready") == 503, "the API has noticed")
    killed_at = time.monotonic()
    until(lambda: time.monotonic() - killed_at > LEASE_SECONDS + 1, "leases would have run out", 20)
    server.start()
    begin = time.monotonic()
    for hostname in ("a1", "a2"):
        job_id = submit_when_possible(api, hostname, RECOVERY)
        assert api.wait(job_id, RECOVERY)["status"] == "completed"
    assert time.monotonic() - begin < RECOVERY
    for job_id in (running, *waiting):
        job = api.wait(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    assert lines(tmp_path / "running") == 1
    assert [lines(tmp_path / f"waiting{n}") for n in range(8)] == [1] * 8


def test_a_redis_that_pauses(server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    """SIGSTOP for twice as long as a lease, and longer than kombu waits for an answer."""
    parts = make_parts(server.url).start("a1")
    api = parts.api
    running = api.submit(NOTE, {"file": str(tmp_path / "running"), "seconds": 12}, "a1")
    ending = api.submit(NOTE, {"file": str(tmp_path / "ending"), "seconds": 2}, "a1")
    for name in ("running", "ending"):
        until((tmp_path / name).exists, f"{name} runs")
    server.freeze()
    frozen_at = time.monotonic()
    assert parts.status("/health/ready") == 503
    assert time.monotonic() - frozen_at < 8  # less than a second by itself; the machine may be busy
    assert parts.answers("/health")
    until(lambda: time.monotonic() - frozen_at > 11, "the pause is long enough", 20)
    server.thaw()
    begin = time.monotonic()
    job_id = submit_when_possible(api, "a1", RECOVERY)
    assert api.wait(job_id, RECOVERY)["status"] == "completed"
    assert time.monotonic() - begin < RECOVERY
    for job_id in (running, ending):  # their leases ran out in the pause, which did not count against them
        job = api.wait(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    assert lines(tmp_path / "running") == lines(tmp_path / "ending") == 1


@pytest.mark.parametrize("times", [1, 2])
def test_connections_that_go_silent(server: Server, make_parts: MakeParts, tmp_path: Path, times: int) -> None:
    """A firewall forgets them: Redis is well, nothing arrives, and no error is reported."""
    with Proxy(server.port) as proxy:
        parts = make_parts(proxy.url).start("a1")
        api = parts.api
        for number in range(times):
            file = tmp_path / f"running{number}"
            running = api.submit(NOTE, {"file": str(file), "seconds": 1}, "a1")
            until(file.exists, "it runs")
            begin = time.monotonic()
            assert proxy.silence() > 0
            job_id = submit_when_possible(api, "a1", DEAF_RECOVERY)
            assert api.wait(job_id)["status"] == "completed"
            assert time.monotonic() - begin < DEAF_RECOVERY
            job = api.wait(running)
            assert (job["status"], job["attempts"]) == ("completed", 1), job
            assert lines(file) == 1
        process = parts.agents["a1"]
        assert process.exit_code is None
        process.stop()  # and it still ends when it is asked to, with old connections that never answer


def test_an_agent_with_silent_connections_ends_when_asked(server: Server, make_parts: MakeParts) -> None:
    """The one moment when its event loop may wait for an answer that never comes."""
    with Proxy(server.port) as proxy:
        parts = make_parts(proxy.url).start("a1")
        proxy.silence()
        begin = time.monotonic()
        assert parts.agents["a1"].stop() in (0, 1)
        assert time.monotonic() - begin < 15
