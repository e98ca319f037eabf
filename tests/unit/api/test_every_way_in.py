"""Through every API that gives work: the operation's own permission decides, and what is stored is signed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import gate
from jobqueue.model.agent import Registration
from jobqueue.model.filter import JobFilter
from jobqueue.model.principal import Principal
from jobqueue.model.role import BUILTIN
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.signing import work
from jobqueue.signing.trusted import TrustedKeys
from jobqueue.store.executions import Grant
from jobqueue.store.ledger import Ledger
from tests.unit.api.conftest import TOKEN

HOST = "web1"
SHELL = "command.shell.execute"
JOB = {"operation": {"type": SHELL, "data": {"command": "true"}}, "target_hostname": HOST}
ENTRYPOINT = {"entrypoint": "true"}
SCRIPT = {"id": "nightly", "type": "script", "script": "true"}
ADMIN = Principal("admin", BUILTIN["admin"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, token=TOKEN, redis_url="redis://127.0.0.1:1/0")


@pytest.fixture
def services(settings: Settings) -> Services:
    registry = Registry.load(())
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), settings)
    ledger.agents.register(Registration(HOST, "boot", {}, {}, registry.types(), "1", 2))
    return Services.over(ledger, settings, registry)


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


def act(app: Flask, *permissions: str) -> FlaskClient:
    gate.of(app).authenticate = lambda _environ: Principal("somebody", frozenset(permissions))
    return app.test_client()


def job_ids(services: Services) -> list[str]:
    return [job.id for job in services.jobs(JobFilter(limit=100)).items]


def failed_job(app: Flask, services: Services) -> str:
    job_id: str = act(app, "*").post("/job", json=JOB).get_json()["job_id"]
    grant = services.ledger.executions.claim(job_id, HOST, HOST, "token")
    assert isinstance(grant, Grant)
    services.ledger.executions.finish(grant, ExecutionState.FAILED, note="broke")
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
def test_what_comes_of_it_is_signed(app: Flask, services: Services, settings: Settings, way: str) -> None:
    permission, prepare = WAYS[way]
    path, body = prepare(app, services)
    before = set(job_ids(services))
    response = act(app, "job:write", permission).post(path, json=body)
    assert response.status_code < 300, response.text
    (new,) = set(job_ids(services)) - before
    job = services.job(new)
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
        assert "not as this API stored it" in response.get_json()["message"]
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
    assert services.job(job_id).data["packages"] == {name: sha256(b"good").hexdigest()}


@pytest.mark.parametrize("path", ["/api/jobs/", "/api/jobs", "/api/spark/jobs", "/job"])
def test_the_api_fetches_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Whatever address a request names, the API itself opens no connection."""
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_more: asked.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda *args: asked.append(args))
    url = "http://169.254.169.254/latest/x.zip"
    entrypoint = {"entrypoint": "true", "runtime_env": {"working_dir": url, "py_modules": [url]}}
    bodies = [
        entrypoint,
        {**entrypoint, "runtime_env": {"pip": [url], "env_vars": {"A": url}}},
        {"id": "x", "type": "script", "script": url, "pythonFiles": [url]},
        {"operation": {"type": "entrypoint.run", "data": entrypoint}},
    ]
    for body in bodies:
        assert act(app, "*").post(path, json=body).status_code in (200, 201, 400, 409)
    assert asked == []
