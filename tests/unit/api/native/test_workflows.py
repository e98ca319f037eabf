"""/workflow and /workflow-run over real services: storing, running, and input that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.agent import Registration
from jobqueue.services import Services
from tests.unit.api.over_a_ledger import act, services_with, settings_in
from tests.unit.api.shapes import error

ECHO: dict[str, Any] = {"type": "command.exec.execute", "data": {"argv": ["echo", "{{ word }}"]}}
NODES: list[dict[str, Any]] = [
    {"name": "a", "operation": ECHO, "target_hostname": "web1", "timeout_seconds": 9, "tags": {"team": "x"}},
    {"name": "b", "saved": "hostname", "needs": ["a"], "expires_after": "15m"},
    {"name": "c", "saved": "hostname", "target": "db1", "needs": ["a"], "when": "failure"},
]
WORKFLOW: dict[str, Any] = {"title": "Words", "nodes": NODES, "parameters": {"word": {"default": "hello"}}}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return services_with(settings_in(tmp_path_factory.mktemp("state")), {})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Flask:
    return create_app(settings_in(tmp_path_factory.mktemp("api")), services)


@pytest.fixture
def app(shared: Flask, services: Services) -> Flask:
    services.ledger.client.flushall()
    for hostname in ("web1", "db1"):
        services.agents.register(Registration(hostname, "boot", {}, {}, services.registry.types(), "1", 2))
    return shared


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    client = act(app, "*")
    body = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1", "target_override": True}
    assert client.put("/saved/hostname", json=body).status_code == 201
    return client


def put(client: FlaskClient, name: str = "words", **fields: Any) -> Any:
    return client.put(f"/workflow/{name}", json={**WORKFLOW, **fields})


def start(client: FlaskClient, name: str = "words", **fields: Any) -> Any:
    return client.post(f"/workflow/{name}/run", json=fields)


def test_store_and_read(client: FlaskClient) -> None:
    stored = put(client)
    assert (stored.status_code, stored.headers["ETag"], stored.json["change"]) == (201, '"1"', "created")
    workflow = client.get("/workflow/words").json
    assert workflow == stored.json["workflow"]
    first, second, third = workflow["nodes"]
    assert (first["operation"], first["target_hostname"], first["timeout_seconds"]) == (ECHO, "web1", 9)
    assert (second["saved"], second["needs"], second["when"], second["expires_after"]) == (
        "hostname",
        ["a"],
        "success",
        "15m",
    )
    assert (third["target_hostname"], third["when"]) == ("db1", "failure")
    assert client.get("/workflow").json == {"workflows": [workflow], "next_cursor": None}


def test_what_is_read_can_be_stored_again(client: FlaskClient) -> None:
    workflow = put(client).json["workflow"]
    body = {name: workflow[name] for name in ("title", "description", "nodes", "parameters", "run_by", "edit_by")}
    again = client.put("/workflow/words", json=body).json
    assert (again["change"], again["workflow"]["version"]) == ("unchanged", 1)


def test_versions(client: FlaskClient) -> None:
    put(client)
    changed = put(client, title="Other words")
    assert (changed.status_code, changed.json["changes"]) == (
        200,
        [{"field": "title", "before": "Words", "after": "Other words"}],
    )
    versions = client.get("/workflow/words/versions").json["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert client.get("/workflow/words?version=1").json == versions[1]
    assert put(client, title="x", version=1).status_code == 409
    assert client.put("/workflow/words?dry_run=true", json=WORKFLOW).json["dry_run"]
    assert client.get("/workflow/words").json["version"] == 2
    assert client.delete("/workflow/words").status_code == 204
    assert client.get("/workflow/words").status_code == 404


def test_run_cancel_and_list(client: FlaskClient) -> None:
    put(client)
    answer = start(client, parameters={"word": "hi"}, idempotency_key="k")
    run = answer.json
    assert (answer.status_code, run["status"], run["parameters"]) == (201, "processing", {"word": "hi"})
    assert answer.headers["Location"].endswith(f"/workflow-run/{run['id']}")
    job = client.get(f"/job/{run['nodes'][0]['job_id']}").json
    assert job["tags"] == {"team": "x", "workflow": "words", "workflow_run": run["id"], "workflow_node": "a"}
    assert start(client, parameters={"word": "hi"}, idempotency_key="k").status_code == 200
    assert client.get(f"/workflow-run/{run['id']}").json == run
    listed = client.get("/workflow-run?workflow=words&limit=1").json
    assert (listed["total"], listed["next_cursor"], listed["runs"][0]["id"]) == (1, None, run["id"])
    other = start(client).json["id"]
    page = client.get("/workflow-run?limit=1").json
    assert [row["id"] for row in page["runs"]] == [other]
    page = client.get(f"/workflow-run?limit=1&cursor={page['next_cursor']}").json
    assert ([row["id"] for row in page["runs"]], page["next_cursor"]) == ([run["id"]], None)
    assert error(client.post(f"/workflow-run/{run['id']}/retry"), 409)
    cancelled = client.post(f"/workflow-run/{run['id']}/cancel").json
    assert (cancelled["status"], cancelled["cancelled_by"]) == ("cancelled", "alice")
    assert [node["state"] for node in cancelled["nodes"]] == ["cancelled"] * 3
    assert error(client.post(f"/workflow-run/{run['id']}/cancel"), 409)
    again = client.post(f"/workflow-run/{run['id']}/retry").json
    assert [(node["state"], node["attempt"]) for node in again["nodes"]] == [
        ("running", 2),
        ("waiting", 2),
        ("waiting", 2),
    ]


@pytest.mark.parametrize(
    ("nodes", "field", "words"),
    [
        ([], "nodes", "1 to 50"),
        ([{"name": "a"}], "nodes[0].operation", "operation or saved"),
        ([{**NODES[0], "saved": "hostname"}], "nodes[0].saved", "both"),
        ([{**NODES[0], "parameters": {}}], "nodes[0].parameters", "saved job"),
        ([{**NODES[1], "needs": [], "title": "x"}], "nodes[0].title", "saved job has this"),
        ([{**NODES[1], "needs": [], "priority": 9}], "nodes[0].priority", "saved job has this"),
        ([{**NODES[0], "when": "sometimes"}], "nodes[0].when", "success"),
        ([{**NODES[0], "need": ["a"]}], "nodes[0].need", "did you mean"),
        ([{**NODES[0], "not_before": "2030-01-01"}], "nodes[0].not_before", "Unknown"),
        ([{**NODES[0], "needs": "a"}], "nodes[0].needs", "list"),
        ([{"name": "a", "saved": "hostnam"}], "nodes[0].saved", "No job is saved"),
        ([{**NODES[0], "target_hostname": "web1 and"}], "nodes[0].target_hostname", "target"),
    ],
)
def test_nodes_that_are_refused(client: FlaskClient, nodes: list[Any], field: str, words: str) -> None:
    answer = put(client, nodes=nodes)
    assert answer.status_code == 400, answer.text
    assert words in str(answer.json["details"][field])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/workflow-run/x", 400),
        ("get", "/workflow-run/123e4567-e89b-12d3-a456-426614174000", 404),
        ("post", "/workflow-run/123e4567-e89b-12d3-a456-426614174000/cancel", 404),
        ("post", "/workflow-run/123e4567-e89b-12d3-a456-426614174000/retry", 404),
        ("get", "/workflow-run?cursor=x", 400),
        ("get", "/workflow-run?limit=0", 400),
        ("get", "/workflow/none", 404),
        ("get", "/workflow/none/versions", 404),
        ("delete", "/workflow/none", 404),
        ("post", "/workflow/none/run", 404),
    ],
)
def test_what_is_not_there(client: FlaskClient, method: str, path: str, status: int) -> None:
    error(getattr(client, method)(path), status)


def test_schedules_run_workflows(client: FlaskClient) -> None:
    put(client)
    body = {"every": "1h", "job": {"workflow": "words", "parameters": {"word": "hi"}}}
    assert client.put("/schedule/s", json=body).status_code == 201
    triggered = client.post("/schedule/s/trigger")
    assert triggered.status_code == 201
    run = client.get(triggered.headers["Location"]).json
    assert (run["workflow"], run["parameters"], run["id"]) == ("words", {"word": "hi"}, triggered.json["job_id"])
    assert error(client.post("/schedule/s/trigger"), 409)  # the last run has not ended
    assert client.put("/schedule/s", json={**body, "job": {"workflow": "none"}}).status_code == 400
    # compared before the workflow is stored, as `jobqueue apply` does
    query = "/schedule/t?dry_run=true&assume=true"
    assert client.put(query, json={**body, "job": {"workflow": "none"}}).status_code == 200


def test_rights(app: Flask, client: FlaskClient) -> None:
    put(client)
    assert put(client, "one", nodes=[NODES[0]]).status_code == 201
    assert put(client, "two", nodes=[{**NODES[0], "target_hostname": "db1"}]).status_code == 201
    run = start(client).json["id"]
    reader = act(app, "saved:read")
    assert reader.get("/workflow/words").status_code == 200
    assert put(reader).status_code == start(reader).status_code == 403
    assert reader.get(f"/workflow-run/{run}").status_code == 403
    viewer = act(app, "job:read")
    assert viewer.get(f"/workflow-run/{run}").status_code == 200
    assert viewer.post(f"/workflow-run/{run}/cancel").status_code == 403
    # rights on some hosts only: neither runs of all hosts, nor storing for others
    narrow = act(app, "job:read@web1", "saved:run", "saved:write", "job:write@web1", "command:execute@web1")
    assert narrow.get(f"/workflow-run/{run}").status_code == 403
    assert put(narrow, nodes=[NODES[0]]).status_code == 403
    assert start(narrow, "one").status_code == 201
    refused = start(narrow, "two")
    assert refused.status_code == 403
