"""/saved over real services: storing, running, versions, rights, and input that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.agent import Registration
from jobqueue.model.role import BUILTIN
from jobqueue.services import Services
from tests.unit.api.over_a_ledger import act, services_with, settings_in
from tests.unit.api.shapes import error

DEPLOY: dict[str, Any] = {
    "operation": {
        "type": "script.shell.execute",
        "data": {"script": 'deploy "$VERSION"', "env": {"VERSION": "{{ version }}", "TOKEN": "{{ token }}"}},
    },
    "target_hostname": "group:web",
    "title": "Deploy the shop",
    "rollout": {"canary": 1, "batch": "50%"},
    "retries": {"max_attempts": 2},
    "concurrency": {"key": "deploy", "limit": 1},
    "tags": {"team": "web"},
    "parameters": {
        "version": {"pattern": "^[0-9.]+$", "description": "The release."},
        "token": {"secret": True, "required": False},
    },
}
PING = {"operation": {"type": "node.hostname.get"}}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    settings = settings_in(tmp_path_factory.mktemp("state"))
    return services_with(settings, {})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Flask:
    return create_app(settings_in(tmp_path_factory.mktemp("api")), services)


@pytest.fixture
def app(shared: Flask, services: Services) -> Flask:
    services.ledger.client.flushall()
    for hostname in ("web1", "web2", "db1"):
        labels = {"group": hostname[:-1]}
        services.agents.register(Registration(hostname, "boot", labels, {}, services.registry.types(), "1", 2))
    return shared


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*")


def put(client: FlaskClient, name: str = "deploy", body: Any = None, **more: Any) -> Any:
    return client.put(f"/saved/{name}", json={**(DEPLOY if body is None else body), **more})


def run(client: FlaskClient, name: str = "deploy", **body: Any) -> Any:
    return client.post(f"/saved/{name}/run", json=body)


@pytest.mark.parametrize(
    ("operation", "field", "expected"),
    [
        # facts are put into this data by the agent, behind the back of the quotes
        ("command.shell.execute", "command", "echo @@fact.os.name @fact.arch"),
        # and not into the data of scripts
        ("script.shell.execute", "script", "echo @fact.os.name @fact.arch"),
    ],
)
def test_a_value_is_no_reference_to_a_fact(client: FlaskClient, operation: str, field: str, expected: str) -> None:
    data = {field: "echo {{ v | quote }} @fact.arch"}
    saved = {"operation": {"type": operation, "data": data}, "target_hostname": "web1", "parameters": {"v": {}}}
    assert client.put("/saved/echo", json=saved).status_code == 201
    job_id = client.post("/saved/echo/run", json={"parameters": {"v": "@fact.os.name"}}).get_json()["job_id"]
    assert client.get(f"/job/{job_id}").get_json()["operation"]["data"] == {field: expected}


def test_store_and_read(client: FlaskClient) -> None:
    stored = put(client)
    assert (stored.status_code, stored.headers["ETag"], stored.json["change"]) == (201, '"1"', "created")
    found = client.get("/saved/deploy").json
    assert found == stored.json["saved"]
    assert found["operation"] == DEPLOY["operation"]
    assert found["parameters"]["version"] == {"type": "string", **DEPLOY["parameters"]["version"]}
    assert (found["target_hostname"], found["title"], found["tags"]) == (
        "group:web",
        "Deploy the shop",
        {"team": "web"},
    )
    assert (found["rollout"]["canary"], found["retries"]["max_attempts"]) == (1, 2)
    assert found["concurrency"] == {"key": "deploy"}
    assert "approval" not in found
    assert (found["changed_by"], found["managed_by"], found["timeout_seconds"]) == ("alice", "", None)
    assert client.get("/saved").json == {"saved": [found], "next_cursor": None}


def test_run(client: FlaskClient) -> None:
    put(client)
    answer = run(client, parameters={"version": "1.4", "token": {"$secret": "deploy.token"}})
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/job/{answer.json['job_id']}")
    job = client.get(answer.headers["Location"]).json
    assert job["operation"]["data"] == {
        "script": 'deploy "$VERSION"',
        "env": {"VERSION": "1.4", "TOKEN": {"$secret": "deploy.token"}},
    }
    assert (job["target_hostname"], job["expected_agents"]) == ("group:web", ["web1", "web2"])
    assert (job["saved"], job["title"], job["tags"]) == (
        {"name": "deploy", "version": 1},
        "Deploy the shop",
        {"team": "web"},
    )
    assert (job["rollout"]["terms"]["canary"], job["retries"]["max_attempts"]) == (1, 2)
    assert job["submitted_by"] == "alice"


def test_a_parameter_without_a_value_is_left_out(client: FlaskClient) -> None:
    put(client)
    job = client.get(run(client, parameters={"version": "2"}).headers["Location"]).json
    assert job["operation"]["data"]["env"] == {"VERSION": "2"}


def test_jobs_are_listed_by_their_saved_job(client: FlaskClient) -> None:
    put(client)
    put(client, "other", PING)
    ids = [run(client, parameters={"version": "1"}).json["job_id"] for _ in range(2)]
    run(client, "other")
    client.post("/job", json=PING)
    found = client.get("/job?saved=deploy").json
    assert [one["id"] for one in found["items"]] == ids[::-1]
    assert client.get("/job?saved=nothing").json["items"] == []


def test_a_retry_stays_with_its_saved_job(client: FlaskClient) -> None:
    put(client, "other", PING)
    first = run(client, "other").json["job_id"]
    client.post(f"/job/{first}/cancel")
    again = client.post(f"/job/{first}/retry").json["job_id"]
    assert [one["id"] for one in client.get("/job?saved=other").json["items"]] == [again, first]


def test_an_idempotency_key_makes_one_job(client: FlaskClient) -> None:
    put(client)
    first = run(client, parameters={"version": "1"}, idempotency_key="k")
    again = run(client, parameters={"version": "1"}, idempotency_key="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["job_id"] == again.json["job_id"]
    error(run(client, parameters={"version": "2"}, idempotency_key="k"), 409, "idempotency")


def test_plan(client: FlaskClient) -> None:
    put(client)
    plan = client.post("/saved/deploy/plan", json={"parameters": {"version": "1.4"}}).json
    assert (plan["hosts"], plan["saved"]) == (["web1", "web2"], {"name": "deploy", "version": 1})
    assert plan["data"]["env"] == {"VERSION": "1.4"}
    assert client.get("/job").json["items"] == []
    done = run(client, parameters={"version": "1.4"}, plan_hash=plan["plan_hash"])
    assert done.status_code == 201
    error(run(client, parameters={"version": "1.5"}, plan_hash=plan["plan_hash"]), 409, "plan")


def test_the_target_of_a_run(client: FlaskClient) -> None:
    put(client, "fixed", PING, target_hostname="web1")
    error(run(client, "fixed", target_hostname="db1"), 400, "runs on web1 only")
    assert run(client, "fixed", target="web1").status_code == 201
    put(client, "free", PING, target_hostname="web1", target_override=True)
    location = run(client, "free", target="db1").headers["Location"]
    assert client.get(location).json["target_hostname"] == "db1"
    parameters = {"hosts": {"format": "hosts", "minItems": 1}}
    put(client, "chosen", PING, target_hostname="{{ hosts }}", parameters=parameters)
    location = run(client, "chosen", parameters={"hosts": ["web1", "db1"]}).headers["Location"]
    assert sorted(client.get(location).json["expected_agents"]) == ["db1", "web1"]
    error(run(client, "chosen", parameters={"hosts": []}), 400, "parameters.hosts")


def test_versions(client: FlaskClient) -> None:
    put(client, "ping", PING)
    again = put(client, "ping", PING)
    assert (again.status_code, again.json["change"], again.json["saved"]["version"]) == (200, "unchanged", 1)
    changed = put(client, "ping", PING, title="Ping", tags={"a": "b"})
    assert (changed.status_code, changed.json["change"], changed.json["saved"]["version"]) == (200, "changed", 2)
    assert [one["version"] for one in client.get("/saved/ping/versions").json["versions"]] == [2, 1]
    assert client.get("/saved/ping?version=1").json["title"] is None
    error(client.get("/saved/ping?version=7"), 400, "There is no version 7 of 'ping'; 1 to 2 are kept.")
    assert client.get("/saved/ping/diff").json == {
        "name": "ping",
        "from": 1,
        "to": 2,
        "changes": [
            {"field": "job.tags", "before": None, "after": {"a": "b"}},
            {"field": "job.title", "before": None, "after": "Ping"},
        ],
    }
    assert client.get("/saved/ping/diff?from=2&to=2").json["changes"] == []
    restored = client.post("/saved/ping/restore", json={"version": 1}).json
    assert (restored["saved"]["version"], restored["saved"]["title"]) == (3, None)


def test_a_dry_run_stores_nothing(client: FlaskClient) -> None:
    dry = client.put("/saved/deploy?dry_run=true", json=DEPLOY)
    assert (dry.status_code, dry.json["change"], dry.json["dry_run"]) == (200, "created", True)
    error(client.get("/saved/deploy"), 404, "No job is saved as 'deploy'")
    error(client.put("/saved/deploy?dry_run=true", json={}), 400, "operation")


def test_changes_of_others_are_not_overwritten(client: FlaskClient) -> None:
    assert put(client, version=0).status_code == 201
    body = error(put(client, version=0, title="Mine"), 409, "has version 1, by alice, not 0; read it again")
    assert body["details"] == {"version": 1, "changed_by": "alice"}
    assert put(client, version=1, title="Mine").status_code == 200
    stale = client.put("/saved/deploy", json={**DEPLOY, "title": "Late"}, headers={"If-Match": '"1"'})
    error(stale, 409, "has version 2")
    error(client.delete("/saved/deploy", headers={"If-Match": "x"}), 400, "If-Match")
    error(run(client, parameters={"version": "1"}, version=1), 409, "has version 2")
    error(put(client, "new", version=3), 409, "does not exist")


def test_delete(client: FlaskClient) -> None:
    put(client, "ping", PING)
    job = run(client, "ping").headers["Location"]
    assert client.delete("/saved/ping").status_code == 204
    error(client.delete("/saved/ping"), 404, "No job is saved as 'ping'")
    error(run(client, "ping"), 404, "No job is saved as 'ping'")
    assert client.get(job).json["saved"] == {"name": "ping", "version": 1}


def test_pages(client: FlaskClient) -> None:
    for number in range(5):
        put(client, f"ping-{number}", PING)
    first = client.get("/saved?limit=2").json
    assert [one["name"] for one in first["saved"]] == ["ping-0", "ping-1"]
    rest = client.get(f"/saved?limit=500&cursor={first['next_cursor']}").json
    assert [one["name"] for one in rest["saved"]] == ["ping-2", "ping-3", "ping-4"]
    assert rest["next_cursor"] is None


def test_a_run_has_the_rights_of_its_caller(app: Flask) -> None:
    put(act(app, "*"))
    body = {"parameters": {"version": "1"}}
    needed = {"saved:run", "job:write", "shell:execute"}
    assert act(app, *needed).post("/saved/deploy/run", json=body).status_code == 201
    for missing in needed:
        error(act(app, *needed - {missing}).post("/saved/deploy/run", json=body), 403, f"permission {missing}")
    secret = {"parameters": {"version": "1", "token": {"$secret": "t"}}}
    error(act(app, *needed).post("/saved/deploy/run", json=secret), 403, "permission secret:use")
    assert act(app, *BUILTIN["write"]).post("/saved/deploy/run", json=secret).status_code == 201


def test_who_may_run_and_edit_it(app: Flask) -> None:
    put(act(app, "*"), "ping", PING, run_by=["bob", "role:operator"], edit_by=["role:author"])
    write = BUILTIN["write"]
    error(
        run(act(app, *write), "ping"), 403, "alice may not run the saved job 'ping'; run_by lists bob, role:operator."
    )
    error(act(app, *write).post("/saved/ping/plan", json={}), 403, "may not run")
    assert run(act(app, *write, name="bob"), "ping").status_code == 201
    assert run(act(app, *write, roles=("operator",)), "ping").status_code == 201
    assert run(act(app, "*"), "ping").status_code == 201
    outsider, author = {"name": "bob"}, {"roles": ("author",)}
    for attempt in (
        lambda as_bob: put(as_bob, "ping", PING),
        lambda as_bob: as_bob.delete("/saved/ping"),
        lambda as_bob: as_bob.post("/saved/ping/restore", json={"version": 1}),
    ):
        error(
            attempt(act(app, *write, **outsider)),
            403,
            "bob may not edit the saved job 'ping'; edit_by lists role:author",
        )
    assert put(act(app, *write, **author), "ping", PING).status_code == 200


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operation": {"type": "no.such.thing"}}, "operation"),
        ({"parameters": {}}, "is not declared in parameters; none is declared"),
        ({"parameters": {"version": {"type": "text"}}}, "parameters.version.type"),
        ({"title": "x" * 10_000}, "title: Must be 1 to 200 characters"),
        ({"title": "a\x07b"}, "title: Must be one line of text"),
        ({"title": "a\nb"}, "title: Must be one line of text"),
        ({"titel": "a"}, "did you mean title"),
        ({"not_before": "2030-01-01"}, "not_before"),
        ({"idempotency_key": "a"}, "idempotency_key"),
        ({"target_hostname": "group:web and"}, "The target is not well formed"),
        ({"target_hostname": "{{ version }}"}, "target_hostname"),
        ({"target_override": "yes"}, "target_override: Must be true or false"),
        ({"run_by": ["a b"]}, "run_by: 'a b' names neither a principal"),
        ({"run_by": "alice"}, "run_by: Must be a list of names"),
        ({"edit_by": ["a"] * 51}, "edit_by: Must name at most 50"),
        ({"managed_by": "a b"}, "managed_by"),
        ({"rollout": {"canary": 0}}, "rollout"),
        ({"version": -1}, "version"),
        ({"operation": {"type": "command.shell.execute", "data": {"command": "echo {{ version }}"}}}, "quote"),
        ({"operation": {"type": "node.hostname.get", "data": {"a": "{% for x in y %}"}}}, "statements"),
        ({"operation": {"type": "node.hostname.get", "data": {"a": "{{ version.x }}"}}}, "attributes"),
        ({"operation": {"type": "file.status.get", "data": {"path": "{{ version }}" + "x" * 300_000}}}, "262144"),
    ],
    ids=[str(number) for number in range(22)],
)
def test_bad_input(client: FlaskClient, change: dict[str, Any], message: str) -> None:
    error(put(client, **change), 400, message)
    error(client.get("/saved/deploy"), 404, "No job")


@pytest.mark.parametrize("name", ["-a", "a b", "a" * 65, "a%2Fb", "..a", "ä"])
def test_bad_names(client: FlaskClient, name: str) -> None:
    assert put(client, name).status_code in (400, 404)


def test_data_that_the_operation_refuses(client: FlaskClient) -> None:
    """Where every parameter has a value, when it is stored; else when it is run."""
    data = {"type": "network.ping.do", "data": {"address": "db1", "count": "{{ count }}"}}
    error(put(client, "ping", {"operation": data}, parameters={"count": {"default": "3"}}), 400, "count")
    put(client, "ping", {"operation": data}, parameters={"count": {}})
    error(run(client, "ping", parameters={"count": "3"}), 400, "count")
    put(client, "ping", {"operation": data}, parameters={"count": {"type": "integer"}})
    assert run(client, "ping", parameters={"count": 3}).status_code == 201


def test_html_is_only_text(client: FlaskClient) -> None:
    title = "<script>alert(1)</script>"
    put(client, "ping", PING, title=title)
    assert client.get(run(client, "ping").headers["Location"]).json["title"] == title


def test_the_audit_trail(client: FlaskClient) -> None:
    put(client)
    run(client, parameters={"version": "1"})
    client.delete("/saved/deploy")
    entries = client.get("/audit").json["entries"]
    assert [(entry["method"], entry["path"], entry["details"].get("saved")) for entry in entries[:3]] == [
        ("DELETE", "/saved/deploy", "deploy"),
        ("POST", "/saved/deploy/run", "deploy"),
        ("PUT", "/saved/deploy", "deploy"),
    ]
    assert entries[1]["details"]["version"] == 1


def test_parameters_that_are_no_schemas(client: FlaskClient) -> None:
    for schema in ("text", 5, [], ["a"], None):
        body = {**PING, "parameters": {"a": schema}}
        error(client.put("/saved/n", json=body), 400, "parameters.a")
