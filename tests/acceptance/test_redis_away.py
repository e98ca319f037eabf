"""Redis is not there yet, hangs, or is restarted: nothing accepted is lost, and everything comes back by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.exceptions import NewConnectionError

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Answer, Api, assert_error, request
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

NOTE = "accept.note.do"
AGENTS = ("early1", "early2")
TOKEN = "a-token-for-tests"
#: An answer, also a refusal, must come within this many seconds; agents must be back within RECOVERY. By themselves
#: they take less than half as long; the machine may be busy.
PATIENCE, RECOVERY = 8.0, 20.0


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[OwnRedis]:
    """A Redis that this module starts and stops; it does not run yet."""
    server = OwnRedis(home / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def parts(make_stack: MakeStack, server: OwnRedis, with_own_plugin: dict[str, str]) -> Stack:
    """API, maintenance and two agents, each started by itself, while their Redis is away."""
    port = free_port()
    stack = make_stack(
        {
            **with_own_plugin,
            "JOBQUEUE_REDIS_URL": server.url,
            "JOBQUEUE_TOKEN": TOKEN,
            "JOBQUEUE_API_PORT": str(port),
            "JOBQUEUE_HEARTBEAT_SECONDS": "1",
            "JOBQUEUE_LEASE_SECONDS": "5",
        }
    )
    stack.use(f"http://127.0.0.1:{port}", TOKEN)
    stack.start("api", ["api"])
    stack.start("maintenance", ["maintenance"])
    for name in AGENTS:
        stack.agent(name, "--concurrency", "2", wait=False)
    until(lambda: alive(stack.api), "the API answers")
    return stack


@pytest.fixture
def api(parts: Stack) -> Api:
    return parts.api


def alive(api: Api) -> bool:
    try:
        return api.get("/health").status == 200
    except NewConnectionError:
        return False


def timed(answer: Answer, begin: float) -> Answer:
    assert time.monotonic() - begin < PATIENCE
    return answer


def check_away(api: Api, *, hangs: bool = False) -> None:
    """The answer to every caller while Redis is away, and its delay.

    A Redis that ``hangs`` takes requests in, and may answer them later: a submission is then not confirmed.
    """
    for method, path, body in (("POST", "/job", b'{"operation": {"type": "node.hostname.get"}}'), ("GET", "/job", None),
                               ("GET", f"/job/{uuid.uuid4()}", None), ("GET", "/agent", None),
                               ("GET", "/health/ready", None), ("GET", "/health/status", None)):  # fmt: skip
        begin = time.monotonic()
        answer = timed(api.send(method, path, body, {"Content-Type": "application/json"} if body else None), begin)
        if hangs and method == "POST":
            assert (answer.status, answer.json["accepted"]) == (202, "not confirmed")
            continue
        assert_error(answer, 503)
        assert int(answer.headers["Retry-After"]) >= 1
        assert TOKEN not in answer.json["error"]
    begin = time.monotonic()
    assert timed(api.get("/health"), begin).status == 200
    assert timed(api.get("/operation"), begin).status == 200


def test_agents_wait_for_a_redis_that_is_not_there_yet(api: Api, parts: Stack, server: OwnRedis) -> None:
    check_away(api)
    until(lambda: all(text.strip() for text in parts.log_tails().values()), "every part has said something")
    server.start()
    begin = time.monotonic()
    until(lambda: api.get("/health/ready").status == 200, "the API is ready")
    for name in AGENTS:
        api.wait_for_agent(name)
    assert time.monotonic() - begin < RECOVERY
    assert api.run("node.hostname.get", target="_all")["expected_agents"] == list(AGENTS)


def test_a_redis_that_hangs(api: Api, server: OwnRedis, tmp_path: Path) -> None:
    job_id = api.submit(NOTE, {"file": str(tmp_path / "ran"), "seconds": 1})
    until((tmp_path / "ran").exists, "it runs")
    server.freeze()
    try:
        check_away(api, hangs=True)
    finally:
        server.thaw()
    begin = time.monotonic()
    assert api.wait(job_id)["status"] == "completed"
    assert api.run("node.hostname.get", target="_all")["status"] == "completed"
    assert time.monotonic() - begin < RECOVERY
    assert (tmp_path / "ran").read_text().count("\n") == 1


def test_a_redis_that_is_restarted(api: Api, server: OwnRedis, tmp_path: Path) -> None:
    files = [tmp_path / f"ran{number}" for number in range(20)]
    jobs = [api.submit(NOTE, {"file": str(file), "seconds": 1.5}) for file in files]
    later = api.submit(NOTE, {"file": str(tmp_path / "retried"), "seconds": 0}, not_before="2100-01-01T00:00:00Z")
    until(lambda: sum(file.exists() for file in files) >= 4, "both agents are busy")
    total = api.total()
    server.stop()
    check_away(api)
    key = uuid.uuid4().hex
    refused = api.post("/job", request(NOTE, {"file": str(tmp_path / "key")}, idempotency_key=key))
    assert_error(refused, 503)
    # some run through their end while no state can be stored
    time_of_stop = time.monotonic()
    until(lambda: time.monotonic() - time_of_stop > 2.0, "the runs have ended")
    server.start()

    begin = time.monotonic()
    until(lambda: api.get("/health/ready").status == 200, "the API is ready")
    for name in AGENTS:
        api.wait_for_agent(name)
    assert time.monotonic() - begin < RECOVERY
    for job_id in jobs:
        job = api.wait(job_id, 60)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    assert [file.read_text().count("\n") for file in files] == [1] * len(files)
    assert api.total() == total  # nothing was stored while it was refused
    accepted = api.post("/job", request(NOTE, {"file": str(tmp_path / "key")}, idempotency_key=key))
    assert (accepted.status, api.wait(accepted.json["job_id"])["status"]) == (201, "completed")
    assert api.job(later)["status"] == "submitted"


def test_a_restart_while_nothing_runs(api: Api, server: OwnRedis) -> None:
    server.stop()
    until(lambda: api.get("/health/ready").status == 503, "the API has noticed")
    server.start()
    begin = time.monotonic()
    until(lambda: api.get("/health/ready").status == 200, "the API is ready")
    for name in AGENTS:
        api.wait_for_agent(name)
        assert api.run("node.hostname.get", target=name)["status"] == "completed"
    assert time.monotonic() - begin < RECOVERY
