"""Celery's messages on a Redis of their own: the ledger is elsewhere, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api, request
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

NOTE = "accept.note.do"
AGENTS = ["agent1", "agent2"]


@pytest.fixture(scope="module")
def broker(home: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(home / "broker")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def two(make_stack: MakeStack, broker: OwnRedis, with_own_plugin: dict[str, str]) -> Stack:
    """`jobqueue up` with its own Redis for the ledger, and another one for the messages."""
    stack = make_stack(
        {**with_own_plugin, "JOBQUEUE_BROKER_URL": broker.url, "JOBQUEUE_HEARTBEAT_SECONDS": "1",
         "JOBQUEUE_CONCURRENCY": "4"}
    )  # fmt: skip
    stack.up(agents=2)
    return stack


@pytest.fixture
def api(two: Stack) -> Api:
    return two.api


def runs(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def test_every_kind_of_target(api: Api, tmp_path: Path) -> None:
    for target, hosts in (("_any", None), ("agent2", ["agent2"]), ("group:web", AGENTS), ("_all", AGENTS)):
        file = tmp_path / target
        job = api.run(NOTE, {"file": str(file)}, target)
        assert job["status"] == "completed"
        assert sorted(run[2] for run in runs(file)) == (hosts or [job["hostname"]])


def test_many_at_once_and_none_twice(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    jobs = [
        request(NOTE, {"file": str(file), "seconds": 0.05}, target) for _ in range(40) for target in ("_any", "_all")
    ]
    answer = api.post("/job/batch", {"jobs": jobs})
    ids = [item["job_id"] for item in answer.json["items"]]
    assert [api.wait(job_id, 60)["status"] for job_id in ids] == ["completed"] * 80
    ran = [(run[0], run[2]) for run in runs(file)]
    assert len(ran) == len(set(ran)) == 40 + 80
    assert {job for job, _ in ran} == set(ids)


def test_waiting_and_retried_jobs(api: Api, tmp_path: Path) -> None:
    policy = {"max_attempts": 3, "backoff_seconds": 0.1}
    job = api.run("accept.flaky.do", {"file": str(tmp_path / "ran"), "failures": 2}, retries=policy)
    assert (job["status"], job["attempts"], len(runs(tmp_path / "ran"))) == ("completed", 3, 3)


def test_priorities(api: Api, two: Stack, tmp_path: Path) -> None:
    agent = two.agent("solo", "--concurrency", "1")
    gate = tmp_path / "gate"
    blocked = api.submit("command.shell.execute", {"command": f"while [ ! -e {gate} ]; do sleep 0.02; done"}, "solo")
    api.wait_for_state(blocked, "started")
    wanted = {p: api.submit(NOTE, {"file": str(tmp_path / "ran")}, "solo", priority=p) for p in (1, 9, 0, 5)}
    gate.touch()
    for job_id in wanted.values():
        api.wait(job_id)
    assert [run[0] for run in runs(tmp_path / "ran")] == [wanted[p] for p in (9, 5, 1, 0)]
    assert agent.stop() == 0


def test_messages_that_are_lost_are_sent_again(api: Api, two: Stack, broker: OwnRedis, tmp_path: Path) -> None:
    agent = two.agent("away")
    agent.stop()
    file = tmp_path / "ran"
    jobs = [api.submit(NOTE, {"file": str(file)}, "away") for _ in range(5)]
    with redis.Redis.from_url(broker.url) as client:
        assert client.dbsize() > 0
        client.flushall()
    agent = two.agent("away", log_name="away-again")
    assert [api.wait(job_id)["status"] for job_id in jobs] == ["completed"] * 5
    assert sorted(run[0] for run in runs(file)) == sorted(jobs)
    assert agent.stop() == 0


def test_a_broker_that_is_away(api: Api, two: Stack, broker: OwnRedis, tmp_path: Path) -> None:
    """The ledger is there, so what is accepted stays; it runs once the broker is back."""
    broker.stop()
    total = api.total()
    body = request(NOTE, {"file": str(tmp_path / "ran")}, "agent1", idempotency_key="while-away")
    answer = api.post("/job", body)
    stored = api.total() - total
    broker.start()
    for name in AGENTS:
        api.wait_for_agent(name)
    if answer.status == 503:  # the caller was asked to try again, and the key finds the same job
        again = api.post("/job", body)
        assert again.status == (200 if stored else 201)
        job_id = again.json["job_id"]
    else:
        assert (answer.status, stored) == (201, 1)
        job_id = answer.json["job_id"]
    assert api.wait(job_id, 60)["status"] == "completed"
    assert len(runs(tmp_path / "ran")) == 1
    until(lambda: api.get("/agent/agent1").json["queue_length"] == 0, "the queues are empty")
