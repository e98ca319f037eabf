"""/api/spark/configurations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.ledger.world import World

from .conftest import Agent, Ask, fusion_error

AT = "/api/spark/configurations"
ONE: dict[str, Any] = {
    "type": "custom_python_job",
    "id": "my-python-job",
    "script": "/compare_fusion_apis.py",
    "verboseReporting": False,
    "odd": {"ü": [1, None, {"x": 1.5}]},
}


def test_the_way_of_one(ask: Ask, world: World) -> None:
    created = ask("POST", AT, ONE)
    assert created.status_code == 200
    (first,) = created.get_json().pop("updates")
    assert {name: value for name, value in created.get_json().items() if name != "updates"} == ONE
    assert first["userId"] == "demo-user"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", first["timestamp"])
    world.clock.advance(2)
    # what a client read and changed comes back with the history in it
    changed = ask("PUT", f"{AT}/my-python-job", {**created.get_json(), "script": "print(1)"})
    assert changed.status_code == 200
    assert changed.get_json()["script"] == "print(1)"
    assert [update["userId"] for update in changed.get_json()["updates"]] == ["demo-user"] * 2
    assert changed.get_json()["updates"][0] == first
    assert ask("GET", f"{AT}/my-python-job").get_json() == changed.get_json()
    assert ask("GET", AT).get_json() == [changed.get_json()]
    deleted = ask("DELETE", f"{AT}/my-python-job")
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert ask("GET", AT).get_json() == []


@pytest.mark.parametrize(
    "prefix", ["/api/spark", "/api/apollo/spark", "/api/apps/my-app/spark", "/api/apollo/apps/a/spark"]
)
def test_every_prefix_shows_the_same(ask: Ask, prefix: str) -> None:
    assert ask("POST", f"{prefix}/configurations", ONE).status_code == 200
    assert ask("GET", "/api/spark/configurations/my-python-job").status_code == 200
    assert ask("GET", f"{prefix}/configurations/my-python-job").status_code == 200
    assert ask("POST", f"{prefix}/jobs/my-python-job").status_code == 200
    assert ask("GET", f"{prefix}/jobs").get_json()[0]["state"] == "starting"


def test_an_existing_one(ask: Ask) -> None:
    ask("POST", AT, ONE)
    fusion_error(ask("POST", AT, {**ONE, "type": "script"}), 409, "my-python-job")
    assert ask("GET", f"{AT}/my-python-job").get_json()["type"] == "custom_python_job"


def test_put_takes_the_id_of_the_path(ask: Ask) -> None:
    ask("POST", AT, ONE)
    assert ask("PUT", f"{AT}/my-python-job", {"type": "script"}).get_json()["id"] == "my-python-job"
    fusion_error(ask("PUT", f"{AT}/my-python-job", {"type": "script", "id": "other"}), 400, "id", "my-python-job")
    fusion_error(ask("PUT", f"{AT}/my-python-job", {"id": "my-python-job"}), 400, "type")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_one(ask: Ask, method: str) -> None:
    fusion_error(ask(method, f"{AT}/none", {"type": "script"} if method == "PUT" else None), 404, "none")


@pytest.mark.parametrize("wrong", ["1a", "-a", "a.b", "a" * 64, "a b", "ä", "a%00"])
def test_bad_ids(ask: Ask, wrong: str) -> None:
    fusion_error(ask("GET", f"{AT}/{wrong}"), 400, "id")
    fusion_error(ask("POST", AT, {"type": "script", "id": wrong}), 400, "id")
    fusion_error(ask("POST", f"/api/spark/jobs/{wrong}"), 400, "id")


@pytest.mark.parametrize("good", ["a", "A1", "a_", "a-b_c-1", "a" * 63])
def test_good_ids(ask: Ask, good: str) -> None:
    assert ask("POST", AT, {"type": "script", "id": good}).status_code == 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "id"),
        ({"id": "a"}, "type"),
        ({"id": 5, "type": "x"}, "id"),
        ({"id": "a", "type": None}, "type"),
        ({"id": "a", "type": ""}, "type"),
        ({"id": "a", "type": "x" * 101}, "type"),
        ([], "object"),
        ("a", "object"),
    ],
)
def test_bad_bodies(ask: Ask, body: Any, says: str) -> None:
    fusion_error(ask("POST", AT, body), 400, says)


def test_other_bad_requests(ask: Ask, app: Any) -> None:
    fusion_error(ask("POST", AT, data="{", content_type="application/json"), 400, "JSON")
    fusion_error(ask("POST", AT, data="a=b", content_type="application/x-www-form-urlencoded"), 415)
    fusion_error(ask("POST", AT, {"id": "a", "type": "x", "script": "y" * 300_000}), 413)
    fusion_error(ask("PATCH", AT), 405)
    fusion_error(ask("GET", "/api/spark/nothing"), 404)
    fusion_error(app.test_client().get(AT), 401)
    fusion_error(app.test_client().get("/api/apps/x"), 401)
    fusion_error(app.test_client().post("/job-launcher/launcher/status", json={}), 401)


def test_it_stays_while_a_run_is_active(ask: Ask, agent: Agent) -> None:
    ask("POST", AT, {"id": "a", "type": "script", "language": "shell", "script": "true"})
    ask("POST", "/api/spark/jobs/a")
    fusion_error(ask("DELETE", f"{AT}/a"), 409, "not ended")
    agent.finish(agent.take())
    assert ask("DELETE", f"{AT}/a").status_code == 204
    assert [run["state"] for run in ask("GET", "/api/spark/jobs").get_json()] == ["finished"]
