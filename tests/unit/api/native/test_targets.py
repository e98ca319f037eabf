"""/target, /job/plan and expressions in /job, over real services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in

JOB = {"operation": {"type": "node.hostname.get"}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    agents = {host: {"group": "web.dev", "zone": zone} for host, zone in (("web1", "a"), ("web2", "b"), ("web3", "a"))}
    return services_with(settings, agents, {"os": {"name": "Debian GNU/Linux 12"}})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*")


def submit(client: FlaskClient, target: str, **more: Any) -> Any:
    return client.post("/job", json={**JOB, "target_hostname": target, **more})


# --- expressions ------------------------------------------------------------------------------------------------------
def test_a_job_shows_its_target_in_one_spelling(client: FlaskClient) -> None:
    job = client.get(submit(client, "group=web AND NOT (zone=b)").headers["Location"]).get_json()
    assert job["target_hostname"] == "group:web and not zone:b"
    assert job["expected_agents"] == ["web1", "web3"]
    for spelling in ("group:web and not zone:b", "group=web and not (zone='b')"):
        found = client.get("/job", query_string={"target": spelling}).get_json()
        assert [item["id"] for item in found["items"]] == [job["id"]]


@pytest.mark.parametrize(
    ("target", "code", "sentence"),
    [
        ("group:web and", 400, "The target is not well formed at character 14: it ends too early"),
        ("web[20-01]", 400, "did you mean 01-20?"),
        ("web[1-99999999]", 400, "more than 10000 hosts"),
        ("0% of _all", 400, "0% is not a share"),
        ("101% of _all", 400, "101% is not a share"),
        ("group:wbe", 400, "Did you mean group:web?"),
        ("not zoen:a", 400, "Did you mean zone?"),
        ("kernel~'(a)\\1'", 400, "regular expression"),
        (" or ".join(["web1"] * 3000), 400, "at most 4096"),
        (" or ".join(["w"] * 500), 400, "'w'"),
        ("not " * 60 + "web1", 400, "levels deep"),
    ],
)
def test_bad_targets(client: FlaskClient, target: str, code: int, sentence: str) -> None:
    answer = submit(client, target)
    assert answer.status_code == code
    assert sentence in answer.get_json()["error"]
    assert answer.get_json()["details"] == {"target_hostname": [answer.get_json()["error"]]}


def test_a_bad_filter(client: FlaskClient) -> None:
    answer = client.get("/job", query_string={"target": "a and"})
    assert (answer.status_code, list(answer.get_json()["details"])) == (400, ["target"])


# --- plans ------------------------------------------------------------------------------------------------------------
def test_a_plan_and_its_job(client: FlaskClient, services: Services) -> None:
    body = {**JOB, "target_hostname": "group=web and zone=a or web9*"}
    plan = client.post("/job/plan", json=body).get_json()
    assert plan.pop("plan_hash") is not None
    assert plan == {
        "operation": "node.hostname.get",
        "target_hostname": "group:web and zone:a or web9*",
        "executions": 2,
        "hosts": ["web1", "web3"],
        "skips": [],
        "left_out": [],
        "notes": ["No agent matches web9*."],
        "permissions": [
            {"permission": "job:write", "granted": True},
            {"permission": "agent:read", "granted": True},
        ],
        "permitted": True,
        "awaits_approval": None,
        "batches": None,
    }
    assert services.jobs.counts() == dict.fromkeys(services.jobs.counts(), 0)


def test_the_batches_of_a_plan(client: FlaskClient) -> None:
    rollout = {"canary": 1, "batch": 1, "spread": "zone"}
    plan = client.post("/job/plan", json={**JOB, "target_hostname": "_all", "rollout": rollout}).get_json()
    assert plan["batches"] == [
        {"number": 1, "is_canary": True, "hosts": 1, "hostnames": ["web1"]},
        {"number": 2, "is_canary": False, "hosts": 1, "hostnames": ["web2"]},
        {"number": 3, "is_canary": False, "hosts": 1, "hostnames": ["web3"]},
    ]
    for wrong, field in (({"batch": 1, "max_failures": 4}, "rollout.max_failures"), ({"batch": 1}, "rollout")):
        target = "_all" if "max_failures" in wrong else "web1"
        for path in ("/job/plan", "/job"):
            answer = client.post(path, json={**JOB, "target_hostname": target, "rollout": wrong})
            assert (answer.status_code, list(answer.get_json()["details"])) == (400, [field])


def test_a_changed_set(client: FlaskClient, services: Services) -> None:
    plan_hash = client.post("/job/plan", json={**JOB, "target_hostname": "_all"}).get_json()["plan_hash"]
    services.agents.drain("web2")
    services.ledger.roster.fleet(is_fresh=True)
    answer = submit(client, "_all", plan_hash=plan_hash)
    assert (answer.status_code, answer.get_json()["details"]) == (409, {"added": [], "removed": ["web2"]})
    services.agents.undrain("web2")
    services.ledger.roster.fleet(is_fresh=True)
    assert submit(client, "_all", plan_hash=plan_hash).status_code == 201


@pytest.mark.parametrize("plan_hash", ["", "x", "A" * 48, "0" * 47, "0" * 48 + "\n"])
def test_a_malformed_hash(client: FlaskClient, plan_hash: str) -> None:
    answer = submit(client, "_all", plan_hash=plan_hash)
    assert (answer.status_code, list(answer.get_json()["details"])) == (400, ["plan_hash"])


def test_a_plan_needs_to_see_the_agents(app: Flask) -> None:
    assert act(app, "job:write").post("/job/plan", json=JOB).status_code == 403
    shell = {"operation": {"type": "command.shell.execute", "data": {"command": "true"}}}
    plan = act(app, "job:write", "agent:read").post("/job/plan", json=shell).get_json()
    assert plan["permitted"] is False
    assert plan["permissions"][1] == {"permission": "shell:execute", "granted": False}


# --- stored targets ---------------------------------------------------------------------------------------------------
def test_stored_targets(client: FlaskClient, services: Services) -> None:
    made = client.put("/target/odd", json={"target": "group=web and zone=a", "description": "every second"})
    assert made.status_code == 201
    stored = made.get_json()
    assert (stored["target"], stored["changed_by"]) == ("group:web and zone:a", "alice")
    assert client.get("/target").get_json() == {"targets": [stored], "total": 1}
    assert client.get("/target/odd").get_json() == {**stored, "hosts": ["web1", "web3"], "notes": []}
    assert submit(client, "@odd and web1").status_code == 201
    assert client.post("/target", json={"name": "odd", "target": "web1"}).status_code == 200
    assert client.get("/target/odd").get_json()["hosts"] == ["web1"]
    assert client.delete("/target/odd").status_code == 204
    assert client.get("/target/odd").status_code == client.delete("/target/odd").status_code == 404
    refused = submit(client, "@odd")
    assert (refused.status_code, "'odd'" in refused.get_json()["error"]) == (400, True)
    details = [record.content.details for record in services.audit_trail.newest(20)]
    assert {"stored": "odd", "expression": "group:web and zone:a"} in details


def test_stored_targets_that_refer_to_each_other(client: FlaskClient) -> None:
    client.put("/target/a", json={"target": "web1"})
    client.put("/target/b", json={"target": "@a or web2"})
    assert client.get("/target/b").get_json()["hosts"] == ["web1", "web2"]
    for text, sentence in (("@b", "refer to itself"), ("@a", "refer to itself"), ("not @none", "'none'")):
        answer = client.put("/target/a", json={"target": text})
        assert (answer.status_code, sentence in answer.get_json()["error"]) == (400, True)
    answer = client.delete("/target/a")
    assert (answer.status_code, "used by b" in answer.get_json()["error"]) == (409, True)


@pytest.mark.parametrize(
    ("name", "target", "field"),
    [
        ("a b", "web1", "name"),
        ("-a", "web1", "name"),
        ("complete", "web1", "name"),
        ("x" * 65, "web1", "name"),
        ("a", "web1 and", "target"),
        ("a", "_any", "target"),
        ("a", "", "target"),
    ],
)
def test_what_cannot_be_stored(client: FlaskClient, name: str, target: str, field: str) -> None:
    answer = client.put(f"/target/{name}", json={"target": target})
    assert (answer.status_code, list(answer.get_json()["details"])) == (400, [field])


def test_a_stored_target_that_redis_changed_is_ignored(client: FlaskClient, services: Services) -> None:
    client.put("/target/a", json={"target": "web1"})
    client.put("/target/b", json={"target": "web2"})
    key = services.ledger.keys.kind("targets")
    services.ledger.client.hset(key, "a", services.ledger.client.hget(key, "b"))
    assert [one["name"] for one in client.get("/target").get_json()["targets"]] == ["b"]
    assert submit(client, "@a").status_code == 400
    assert client.delete("/target/a").status_code == 204


@pytest.mark.parametrize(
    ("permission", "method", "expected"),
    [
        ("agent:read", "get", 200),
        ("agent:read", "put", 403),
        ("target:write", "put", 200),
        ("target:write", "get", 403),
    ],
)
def test_permissions(app: Flask, permission: str, method: str, expected: int) -> None:
    act(app, "*").put("/target/a", json={"target": "web1"})
    options = {"json": {"target": "web2"}} if method == "put" else {}
    assert getattr(act(app, permission), method)("/target/a", **options).status_code == expected


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            "",
            [
                "_any",
                "_all",
                "condition:",
                "group:",
                "os.name:",
                "state:",
                "version:",
                "zone:",
                "@odd",
                "web1",
                "web2",
                "web3",
            ],
        ),
        ("_a", ["_any", "_all"]),
        ("we", ["web1", "web2", "web3"]),
        ("group:", ["group:web", "group:web.dev"]),
        ("group:web.", ["group:web.dev"]),
        ("zone=", ["zone=a", "zone=b"]),
        ("os.name:", ['os.name:"Debian GNU/Linux 12"']),
        ("web1 and not (zo", ["web1 and not (zone:"]),
        ("web1,web", ["web1,web1", "web1,web2", "web1,web3"]),
        ("not @", ["not @odd"]),
        ("zzz", []),
        ("nokey:", []),
    ],
)
def test_completion(client: FlaskClient, typed: str, expected: list[str]) -> None:
    client.put("/target/odd", json={"target": "zone:a"})
    answer = client.get("/target/complete", query_string={"q": typed})
    assert answer.get_json() == {"completions": expected}
