"""Through every API that gives work: the operation's own permission decides, and what is stored is signed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.ledger.executions import Claim
from jobqueue.model.filter import JobFilter
from jobqueue.model.principal import Principal
from jobqueue.model.role import BUILTIN
from jobqueue.model.states import ExecutionState
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.api.over_a_ledger import act as act_as
from tests.unit.api.over_a_ledger import services_with, settings_in

HOST = "web1"
SHELL = "command.shell.execute"
JOB = {"operation": {"type": SHELL, "data": {"command": "true"}}, "target_hostname": HOST}
ENTRYPOINT = {"entrypoint": "true"}
SCRIPT = {"id": "nightly", "type": "script", "language": "shell", "script": "true"}
ADMIN = Principal("admin", BUILTIN["admin"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {HOST: {}})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


def act(app: Flask, *permissions: str) -> FlaskClient:
    return act_as(app, *permissions, name="somebody")


def job_ids(services: Services) -> list[str]:
    return [job.id for job in services.jobs.page(JobFilter(limit=100)).items]


def failed_job(app: Flask, services: Services) -> str:
    job_id: str = act(app, "*").post("/job", json=JOB).get_json()["job_id"]
    claim = services.ledger.executions.claim(job_id, HOST, HOST, "token")
    assert isinstance(claim, Claim)
    services.ledger.executions.finish(claim, ExecutionState.FAILED, note="broke")
    return job_id


def stored(app: Flask, path: str) -> Callable[[Services], tuple[str, Any]]:
    def prepare(_services: Services) -> tuple[str, Any]:
        assert act(app, "*").post("/api/spark/configurations", json=SCRIPT).status_code == 200
        return path, None

    return prepare


WAYS: dict[str, tuple[str, Callable[[Flask, Services], tuple[str, Any]]]] = {
    "job": ("shell:execute", lambda _app, _services: ("/job", JOB)),
    "job under /api": ("shell:execute", lambda _app, _services: ("/api/job", JOB)),
    "batch": ("shell:execute", lambda _app, _services: ("/job/batch", {"jobs": [JOB]})),
    "retry": ("shell:execute", lambda app, services: (f"/job/{failed_job(app, services)}/retry", {})),
    "ray": ("entrypoint:execute", lambda _app, _services: ("/api/jobs/", ENTRYPOINT)),
    "openYuanrong": ("entrypoint:execute", lambda _app, _services: ("/api/jobs", ENTRYPOINT)),
    "fusion, inline": ("shell:execute", lambda _app, _services: ("/api/spark/jobs", SCRIPT)),
    "fusion, stored": (
        "shell:execute",
        lambda app, services: stored(app, "/api/spark/jobs/nightly")(services),
    ),
    "fusion, action": (
        "shell:execute",
        lambda app, services: (stored(app, "/api/jobs/spark:nightly/actions")(services)[0], {"action": "start"}),
    ),
    "fusion, launcher": ("shell:execute", lambda _app, _services: ("/job-launcher/launcher", SCRIPT)),
}


def status(response: Any) -> int:
    """The status of a submission; in a batch, that of its one item."""
    body = response.get_json()
    items = body.get("items") if isinstance(body, dict) else None
    if items and "code" in items[0]:
        return int(items[0]["code"])
    return int(response.status_code)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lacks", ["job:write", "the operation's"])
def test_both_permissions_are_asked_for(app: Flask, services: Services, way: str, lacks: str) -> None:
    permission, prepare = WAYS[way]
    path, body = prepare(app, services)
    before = job_ids(services)
    granted = {"job:write", "job:read", "agent:write", "key:write", "command:execute", "shell:execute"} | {permission}
    granted -= {permission if lacks != "job:write" else lacks}
    response = act(app, *granted).post(path, json=body)
    assert status(response) == 403, response.text
    assert (permission if lacks != "job:write" else lacks) in response.text
    assert job_ids(services) == before


@pytest.mark.parametrize("way", WAYS)
def test_the_resulting_job_is_signed(app: Flask, services: Services, settings: Settings, way: str) -> None:
    permission, prepare = WAYS[way]
    path, body = prepare(app, services)
    before = set(job_ids(services))
    response = act(app, "job:write", permission).post(path, json=body)
    assert response.status_code < 300, response.text
    (new,) = set(job_ids(services)) - before
    job = services.jobs.get(new)
    signed = work.read(job.document, TrustedKeys.open(settings.trusted_keys), new)
    assert (signed.terms.job_id, signed.document["data"]) == (new, job.data)
    assert job.submitted_by == "somebody"


def test_an_altered_configuration_is_not_started(app: Flask, services: Services) -> None:
    client = act(app, "*")
    client.post("/api/spark/configurations", json=SCRIPT)
    key = services.ledger.keys.config("nightly")
    services.ledger.client.set(key, str(services.ledger.client.get(key)).replace('"true"', '"reboot"'))
    for method, path in (("POST", "/api/spark/jobs/nightly"), ("GET", "/api/spark/configurations/nightly")):
        response = client.open(path, method=method)
        assert response.status_code == 409
        assert "not stored by this API" in response.get_json()["message"]
    assert job_ids(services) == []
    (refused,) = [entry for entry in client.get("/audit").get_json()["entries"] if entry["status"] == 409]
    assert refused["path"] == "/api/spark/jobs/nightly"
    assert [alert["kind"] for alert in client.get("/health/status").get_json()["alerts"]] == ["records_altered"]


def test_an_altered_package_is_not_pinned(app: Flask, services: Services) -> None:
    name = "_ray_pkg_0123456789abcdef.zip"
    client, path = act(app, "*"), f"/api/packages/gcs/{name}"
    job = {"entrypoint": "true", "runtime_env": {"working_dir": f"gcs://{name}"}}
    assert client.put(path, data=b"good").status_code == 200
    services.ledger.client.hset(f"{services.ledger.keys.kind('package')}{name}", "sha256", "0" * 64)
    response = client.post("/api/jobs/", json=job)
    assert (response.status_code, "upload it again" in response.text) == (409, True)
    assert job_ids(services) == []
    assert client.get(path).status_code == 404  # so Ray's client uploads it again
    assert client.put(path, data=b"good").status_code == 200
    assert client.post("/api/jobs/", json=job).status_code == 200


def test_every_package_of_a_job_is_pinned(app: Flask, services: Services) -> None:
    """Also where the caller did not say which content it has: what is signed must leave nothing open."""
    name = "_ray_pkg_0123456789abcdef.zip"
    client = act(app, "*")
    data = {"entrypoint": "true", "runtime_env": {"working_dir": f"gcs://{name}"}}
    job = {"operation": {"type": "entrypoint.run", "data": data}}
    response = client.post("/job", json=job)
    assert (response.status_code, "never uploaded" in response.text) == (400, True)
    client.put(f"/api/packages/gcs/{name}", data=b"good")
    job_id = client.post("/job", json=job).get_json()["job_id"]
    assert services.jobs.get(job_id).data["packages"] == {name: sha256(b"good").hexdigest()}


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/jobs", "/api/spark/jobs", "/job"])
def test_the_api_fetches_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Whatever address a request names, the API itself opens no connection."""
    asked: list[Any] = []
    others = set(threading.enumerate()) - {threading.current_thread()}  # of earlier tests, whose servers are in use

    def recorded(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            return original(*args, **more) if threading.current_thread() in others else asked.append(args)

        return call

    monkeypatch.setattr(socket, "getaddrinfo", recorded(socket.getaddrinfo))
    monkeypatch.setattr(socket.socket, "connect", recorded(socket.socket.connect))
    url = "http://169.254.169.254/latest/x.zip"
    entrypoint = {"entrypoint": "true", "runtime_env": {"working_dir": url, "py_modules": [url]}}
    bodies = [
        entrypoint,
        {**entrypoint, "runtime_env": {"pip": [url], "env_vars": {"A": url}}},
        {"id": "x", "type": "script", "language": "shell", "script": url, "pythonFiles": [url]},
        {"operation": {"type": "entrypoint.run", "data": entrypoint}},
    ]
    for body in bodies:
        assert act(app, "*").post(path, json=body).status_code in (200, 201, 400, 409)
    assert asked == []


# --- what others run later --------------------------------------------------------------------------------------------

AT = "/api/spark/configurations"
PYTHON = {"id": "nightly", "type": "custom_python_job", "script": "print(1)"}


def test_a_configuration_is_written_by_those_who_may_run_it(app: Flask, services: Services) -> None:
    """Another caller starts it, with that caller's permissions: storing it must require them, too."""
    assert act(app, "job:write").post(AT, json=SCRIPT).status_code == 403
    assert act(app, "shell:execute").post(AT, json=SCRIPT).status_code == 403
    assert act(app, "job:write", "python:execute").post(AT, json=SCRIPT).status_code == 403
    assert services.configurations.all() == []
    assert act(app, "job:write", "shell:execute").post(AT, json=SCRIPT).status_code == 200


@pytest.mark.parametrize(
    ("granted", "body", "lacks"),
    [
        ((), SCRIPT, "shell:execute"),
        (("python:execute",), PYTHON, "shell:execute"),
        (("shell:execute",), PYTHON, "python:execute"),
        (("python:execute",), {**PYTHON, "type": "no-such-type"}, "shell:execute"),
    ],
)
def test_replacing_takes_the_old_permission_and_the_new(
    app: Flask, services: Services, granted: tuple[str, ...], body: dict[str, Any], lacks: str
) -> None:
    act(app, "*").post(AT, json=SCRIPT)
    response = act(app, "job:write", *granted).put(f"{AT}/nightly", json=body)
    assert (response.status_code, lacks in response.text) == (403, True)
    assert services.configurations.get("nightly").fields == SCRIPT
    assert act(app, "job:write", *granted, lacks).put(f"{AT}/nightly", json=body).status_code == 200
    assert services.configurations.get("nightly").type == body["type"]


def test_deleting_takes_the_permission_to_run_it(app: Flask, services: Services) -> None:
    act(app, "*").post(AT, json=SCRIPT)
    assert act(app, "job:write").delete(f"{AT}/nightly").status_code == 403
    assert len(services.configurations.all()) == 1
    assert act(app, "job:write", "shell:execute").delete(f"{AT}/nightly").status_code == 204


def test_a_configuration_that_names_secrets_is_written_by_those_who_may_use_them(app: Flask) -> None:
    body = {"id": "nightly", "type": SHELL, "data": {"command": "true", "env": {"A": {"$secret": "db"}}}}
    granted = ("job:write", "shell:execute", "command:execute")
    response = act(app, *granted).post(AT, json=body)
    assert (response.status_code, "secret:use" in response.text) == (403, True)
    assert act(app, *granted, "secret:use").post(AT, json=body).status_code == 200


def test_a_configuration_that_uses_an_object_is_written_by_those_who_may_read_objects(app: Flask) -> None:
    body = {"id": "motd", "type": "file.deploy.execute", "data": {"path": "/etc/motd", "object": "motd"}}
    response = act(app, "job:write", "file:write").post(AT, json=body)
    assert (response.status_code, "file:read" in response.text) == (403, True)
    assert act(app, "job:write", "file:write", "file:read").post(AT, json=body).status_code == 200


def test_a_script_whose_language_is_open_takes_both_permissions(app: Flask) -> None:
    body = {**SCRIPT, "language": "cobol"}
    assert act(app, "job:write", "shell:execute").post(AT, json=body).status_code == 403
    assert act(app, "job:write", "shell:execute", "python:execute").post(AT, json=body).status_code == 200


def test_an_altered_configuration_can_be_replaced_and_deleted(app: Flask, services: Services) -> None:
    key = services.ledger.keys.config("nightly")
    for method, body in (("PUT", SCRIPT), ("DELETE", None)):
        act(app, "*").post(AT, json=SCRIPT)
        services.ledger.client.set(key, "broken")
        answer = act(app, "job:write", "shell:execute").open(f"{AT}/nightly", method=method, json=body)
        assert answer.status_code in (200, 204)


def test_a_package_is_stored_by_those_who_may_run_it(app: Flask) -> None:
    """Ray's client takes what is there under the name of its own package, without a look at the bytes."""
    path = "/api/packages/gcs/_ray_pkg_0123456789abcdef.zip"
    response = act(app, "job:write").put(path, data=b"evil")
    assert (response.status_code, "entrypoint:execute" in response.text) == (403, True)
    client = act(app, "job:write", "entrypoint:execute")
    assert client.get(path).status_code == 404
    assert client.put(path, data=b"good").status_code == client.put(path, data=b"good").status_code == 200
    response = client.put(path, data=b"evil")
    assert (response.status_code, "with other bytes" in response.text) == (409, True)


def test_each_way_says_in_the_audit_trail_what_it_gave(app: Flask, services: Services) -> None:
    client = act(app, "*")
    client.post("/api/jobs/", json={**ENTRYPOINT, "submission_id": "mine"})
    client.post(AT, json=SCRIPT)
    client.put(f"{AT}/nightly", json=SCRIPT)
    run = client.post("/api/spark/jobs/nightly").get_json()["jobId"]
    client.delete(f"/api/spark/jobs/{run}")
    client.delete(f"{AT}/nightly")
    client.post("/job-launcher/launcher/status", json={"jobId": "elsewhere", "state": "running"})
    client.post("/user", json={"name": "ada", "roles": ["read"]})
    client.post("/user", json={"name": "ada", "roles": ["read"]})
    details = [entry.content.details for entry in services.audit_trail.after(0, 100)]
    newest, job, ray = (job.id for job in services.jobs.page(JobFilter(limit=100)).items)
    made = {"configuration": "nightly", "type": "script"}
    assert details == [
        {"operation": "entrypoint.run", "target": "_any", "name": "mine", "job": ray},
        made,
        made,
        {**made, "run": run, "job": job, "operation": "script.shell.execute", "target": "_any"},
        {"job": job, "run": run},
        {"configuration": "nightly"},
        {"run": "elsewhere", "state": "running", "job": newest},
        {"user": "ada", "roles": ["read"], "permissions": []},
        {"user": "ada"},
    ]


def test_an_answer_does_not_grow_with_what_is_wrong(app: Flask) -> None:
    """A hundred thousand wrong fields, or one with a long name, make a short answer by every way."""
    client = act(app, "*")
    for data in ({f"field{number}": 1 for number in range(100_000)}, {"x" * 500_000: 1}):
        job = {**JOB, "operation": {"type": SHELL, "data": data}}
        for path, body in (
            ("/job", job),
            ("/job/batch", {"jobs": [job]}),
            ("/api/spark/jobs", {"id": "nightly", "type": SHELL, "data": data}),
            ("/api/jobs/", {"entrypoint": "true", "metadata": data}),
            ("/api/jobs/", {"entrypoint": "true", "runtime_env": data}),
        ):
            response = client.post(path, json=body)
            assert (status(response), len(response.data) < 20_000) == (400, True), (path, len(response.data))
