"""One damaged record in Redis: no page fails because of it, and all other records are shown as usual."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import gate
from jobqueue.errors import RecordAltered
from jobqueue.ledger.agents import UNREADABLE
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.principal import Principal
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN

HOST, OTHER = "web1", "web2"
JOB = {"operation": {"type": "command.shell.execute", "data": {"command": "true"}}, "target_hostname": HOST}
LISTS = (
    *("/job", "/job?view=full", "/job?view=summary", "/api/jobs/", "/api/jobs", "/api/spark/jobs"),
    *("/agent", "/health/status", "/metrics", "/key", "/user", "/role", "/audit/verify", "/audit"),
    *("/ui/", "/ui/jobs", "/ui/agents", f"/ui/agents/{OTHER}", "/ui/runs", "/ui/audit", "/ui/access"),
    *("/api/spark/configurations", "/job?status=completed", "/job?limit=1"),
)
DEEP = '{"a":' * 700 + "1" + "}" * 700
JUNK = ("", "{", "[]", "5", "null", "9" * 30, "-1", "[" * 5000, DEEP, "a|b|c|d")
FEW = ("[]", "9" * 30)
JOB_LISTS = ("/job?view=full", "/api/jobs/", "/api/spark/jobs", "/ui/jobs")
AGENT_LISTS = ("/agent", "/health/status", "/ui/agents")

Spoil = Callable[["World", str], None]


class World:
    """Services over a ledger in memory, with a good job and one that is spoiled."""

    def __init__(self, directory: Path) -> None:
        settings = Settings(state_dir=directory, token=TOKEN, redis_url="redis://127.0.0.1:1/0")
        registry = Registry.load(())
        client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True, encoding_errors="replace")
        self.ledger = Ledger(client, settings)
        for hostname in (HOST, OTHER):
            self.ledger.agents.register(Registration(hostname, "boot", {}, {}, registry.types(), "1", 2))
        self.services = Services.over(self.ledger, settings, registry)
        app = create_app(settings, self.services)
        gate.of(app).authenticate = lambda _environ: Principal("somebody", frozenset({"*"}))
        self.web: FlaskClient = app.test_client()
        self.good, self.spoiled = self.finished(), self.finished()
        self.run = self.web.post(
            "/api/spark/jobs", json={"id": "nightly", "type": "script", "language": "shell", "script": "true"}
        ).get_json()["jobId"]

    def finished(self) -> str:
        job_id: str = self.web.post("/job", json=JOB).get_json()["job_id"]
        claim = self.ledger.executions.claim(job_id, HOST, HOST, "token")
        assert isinstance(claim, Claim)
        self.ledger.executions.finish(claim, ExecutionState.COMPLETED, out='{"data": 1, "changed": false}')
        return job_id

    def check_lists(self, paths: tuple[str, ...] = LISTS) -> None:
        for path in paths:
            answer = self.web.get(path)
            assert answer.status_code < 500 or answer.status_code == 503, (path, answer.get_data(as_text=True)[:300])
        shown = {job["id"]: job for job in self.web.get("/job?view=full").get_json()["items"]}
        assert shown[self.good]["result"] == 1
        assert {self.good, self.spoiled} <= shown.keys()
        assert {agent.hostname for agent in self.services.agents.all()} == {HOST, OTHER}
        assert "jobqueue_jobs{" in self.web.get("/metrics").get_data(as_text=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.ledger.client.close()


def _job_field(name: str) -> Spoil:
    return lambda world, text: world.ledger.client.hset(world.ledger.keys.job(world.spoiled), name, text) and None


def _exec_field(name: str) -> Spoil:
    key = "exec"
    return lambda world, text: (
        world.ledger.client.hset(f"{world.ledger.keys.kind(key)}{HOST}:{world.spoiled}", name, text) and None
    )


def _doc(world: World, text: str) -> None:
    world.ledger.client.set(world.ledger.keys.doc(world.spoiled), text)


def _doc_field(name: str) -> Spoil:
    def spoil(world: World, text: str) -> None:
        key = world.ledger.keys.doc(world.spoiled)
        whole = json.loads(str(world.ledger.client.get(key)))
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        world.ledger.client.set(key, json.dumps({**whole, name: value}))

    return spoil


JOB_SPOILS: dict[str, Spoil] = {
    "doc": _doc,
    **{
        f"job.{name}": _job_field(name)
        for name in (
            "status",
            "created",
            "updated",
            "events",
            "e1",
            "prio",
            "n.completed",
            "op",
            "target",
            "tags",
            "slot",
            "outside",
            "retried_as",
            "fanout",
            "host",
            "alias",
        )
    },
    **{f"exec.{name}": _exec_field(name) for name in ("state", "attempt", "events", "e1", "o1", "s1", "last")},
    **{
        f"doc.{name}": _doc_field(name)
        for name in (
            "operation",
            "data",
            "target",
            "retries",
            "tags",
            "origin",
            "request",
            "among",
            "timeout_seconds",
            "expires_at",
            "not_before",
            "submitted_by",
        )
    },
}


@pytest.mark.parametrize("what", JOB_SPOILS)
def test_a_job(world: World, what: str) -> None:
    for text in FEW:
        JOB_SPOILS[what](world, text)
        world.check_lists(JOB_LISTS)
        for path in ("", "/logs", "/retry", "/cancel"):
            method = world.web.post if path in ("/retry", "/cancel") else world.web.get
            answer = method(f"/job/{world.spoiled}{path}")
            assert answer.status_code < 500, (what, text[:20], path, answer.get_data(as_text=True)[:300])
        for path in (f"/ui/jobs/{world.spoiled}", f"/api/jobs/{world.spoiled}", f"/api/jobs/{world.spoiled}/logs"):
            assert world.web.get(path).status_code < 500, (what, text[:20], path)


def test_it_says_that_it_cannot_be_read(world: World) -> None:
    world.ledger.client.set(world.ledger.keys.doc(world.spoiled), "{")
    (listed,) = [job for job in world.web.get("/job?view=full").get_json()["items"] if job["id"] == world.spoiled]
    assert "cannot be read: it was altered in Redis" in listed["error"]
    assert listed["status"] == "completed"
    answer = world.web.get(f"/job/{world.spoiled}")
    assert answer.status_code == RecordAltered.status if hasattr(RecordAltered, "status") else 409
    assert "cannot be read" in answer.get_json()["error"]
    assert world.ledger.stats()[RECORDS_ALTERED] == 1
    world.web.get("/job")
    assert world.ledger.stats()[RECORDS_ALTERED] == 1
    assert world.web.delete(f"/job/{world.spoiled}").status_code in (200, 204)


def test_a_record_of_another_kind(world: World) -> None:
    keys = world.ledger.keys
    for key in (keys.job(world.spoiled), keys.doc(world.spoiled), f"{keys.kind('exec')}{HOST}:{world.spoiled}"):
        world.ledger.client.delete(key)
        world.ledger.client.lpush(key, "x")
        world.check_lists()
        assert world.web.get(f"/job/{world.spoiled}").status_code < 500


@pytest.mark.parametrize("field", ["info", "state", "vitals", "started", "beat", "running", "log"])
def test_an_agent(world: World, field: str) -> None:
    key = world.ledger.keys.agent(OTHER)
    for text in JUNK:
        if field == "log":
            world.ledger.client.rpush(world.ledger.keys.agent_log(OTHER), text)
        else:
            world.ledger.client.hset(key, field, text)
        world.check_lists(AGENT_LISTS)
        assert world.web.get(f"/agent/{OTHER}").status_code < 500


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"a": 5}},
        {"labels": []},
        {"facts": []},
        {"facts": {"cpus": "many", "memory": 5, "disks": 7, "os": [], "addresses": "x", "kernel": {}}},
        {"facts": {"memory": {"total": "x", "percent": "y"}, "cpus": []}},
        {"operations": 5},
        {"concurrency": "x"},
        {"version": None},
        {"public_key": "x"},
        {"joining": 5},
    ],
    ids=str,
)
def test_what_an_agent_says_of_itself(world: World, change: dict[str, Any]) -> None:
    key = world.ledger.keys.agent(OTHER)
    info = json.loads(str(world.ledger.client.hget(key, "info")))
    world.ledger.client.hset(key, "info", json.dumps({**info, **change}))
    world.check_lists()
    assert world.web.get(f"/ui/agents/{OTHER}").status_code < 500
    vitals = {"load": [1, 2, 3], "memory": {"total": "x", "percent": []}, "running": 0, "conditions": ["x"]}
    world.ledger.client.hset(key, "vitals", json.dumps(vitals))
    world.check_lists()


def test_an_agent_says_that_it_cannot_be_read(world: World) -> None:
    world.ledger.client.hset(world.ledger.keys.agent(OTHER), "info", "{")
    assert world.web.get(f"/agent/{OTHER}").get_json()["conditions"] == [UNREADABLE]
    assert world.ledger.stats()[RECORDS_ALTERED] == 1


@pytest.mark.parametrize("text", JUNK)
def test_what_is_counted_and_noted(world: World, text: str) -> None:
    client, keys = world.ledger.client, world.ledger.keys
    config = {"id": "c", "type": "script", "language": "shell", "script": "true"}
    assert world.web.post("/api/spark/configurations", json=config).status_code == 200
    key = world.web.post("/key", json={"name": "k", "roles": ["viewer"]})
    for number in range(3):
        client.lpush(keys.kind("alerts"), f"{number}|{text}", text)
    for name in ("submitted|x", "ended|x|weird", "x", "wait|x|abc", "wait|x|sum", text, f"ended|{text}"):
        client.hset(keys.kind("measured"), name, text)
    client.hset(keys.kind("stats"), "leases_lost", text)
    client.hset(keys.kind("stats"), text, text)
    for place in (f"key:{(key.get_json() or {}).get('id')}", "key:x", text):
        client.hset(keys.kind("used"), place, text)
    client.hset(keys.kind("audit_head"), "number", text)
    client.rpush(keys.config_log("c"), text)
    client.xadd(keys.kind("events"), {"v": text})
    world.check_lists()
    client.set(keys.config("c"), text)
    world.check_lists()
    assert world.web.get("/api/spark/configurations/c").status_code < 500
