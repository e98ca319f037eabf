"""/api/file in OSAPI's shapes, and deploying objects through its calls."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobqueue.model.deployment import Deployment
from jobqueue.services import Services
from tests.unit.api.osapi.description import FILES
from tests.unit.api.osapi.shapes import refused
from tests.unit.api.over_a_ledger import act

DATA = b"worker_processes 4;\n"
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "file:*", "job:*", "agent:read")


def upload(client: FlaskClient, data: bytes = DATA, query: str = "", **fields: Any) -> TestResponse:
    form = {"name": "nginx.conf", "file": (io.BytesIO(data), "nginx.conf"), **fields}
    return client.post(f"/api/file{query}", data=form, content_type="multipart/form-data")


def shaped(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The document, with exactly the fields that the description has."""
    assert set(document) == set(FILES[name].split())
    return document


def test_an_object_from_its_upload_to_its_end(client: FlaskClient) -> None:
    answer = upload(client)
    assert answer.status_code == 201
    uploaded = shaped(answer.json, "FileUploadResponse")
    assert (uploaded["sha256"], uploaded["size"], uploaded["changed"]) == (DIGEST, len(DATA), True)
    assert uploaded["content_type"] == "raw"
    listed = shaped(client.get("/api/file").json, "FileListResponse")
    assert listed["total"] == 1
    assert shaped(listed["files"][0], "FileInfo")["source"] == "user"
    assert shaped(client.get("/api/file/nginx.conf").json, "FileInfoResponse")["sha256"] == DIGEST
    deleted = client.delete("/api/file/nginx.conf")
    assert shaped(deleted.json, "FileDeleteResponse") == {"name": "nginx.conf", "deleted": True}
    refused(client.get("/api/file/nginx.conf"), 404, "nginx.conf")
    refused(client.delete("/api/file/nginx.conf"), 404, "nginx.conf")


def test_other_content_needs_force(client: FlaskClient) -> None:
    upload(client)
    assert upload(client).json["changed"] is False
    refused(upload(client, b"other"), 409, "other content")
    assert upload(client, b"other", "?force=true").json["changed"] is True
    assert upload(client, b"other", "?force=true").json["changed"] is True


def test_wrong_requests(client: FlaskClient) -> None:
    refused(client.post("/api/file", json={}), 415, "form")
    refused(upload(client, name="../x"), 400, "name")
    refused(upload(client, content_type="zip"), 400, "content_type")
    refused(upload(client, query="?force=maybe"), 400, "force")
    refused(client.get("/api/file?limit=1"), 400, "limit")
    refused(client.get("/api/file/a%20b"), 400, "name")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", ""), ("GET", "/stale"), ("GET", "/app.conf"), ("DELETE", "/app.conf")],
)
def test_permissions(app: Flask, method: str, path: str) -> None:
    refused(act(app, "job:*").open(f"/api/file{path}", method=method), 403, "file:")
    refused(act(app, "file:*@web1").open(f"/api/file{path}", method=method), 403, "file:")


def test_stale_deployments(client: FlaskClient, services: Services) -> None:
    upload(client)
    deployment = Deployment("nginx.conf", 1, DIGEST, DIGEST, "file", "job", 1_700_000_000_000_000)
    services.ledger.deployments.record("web1", "/etc/nginx.conf", deployment)
    assert shaped(client.get("/api/file/stale").json, "StaleDeploymentsResponse") == {"stale": [], "total": 0}
    upload(client, b"other", "?force=true")
    answer = client.get("/api/file/stale").json
    (stale,) = answer["stale"]
    assert answer["total"] == 1
    assert shaped(stale, "StaleDeployment") == {
        "object_name": "nginx.conf",
        "hostname": "web1",
        "provider": "file",
        "path": "/etc/nginx.conf",
        "deployed_sha": DIGEST,
        "current_sha": sha256(b"other").hexdigest(),
        "deployed_at": "2023-11-14T22:13:20.000Z",
    }


def test_pages_of_stale_deployments(client: FlaskClient, services: Services) -> None:
    upload(client)
    deployment = Deployment("nginx.conf", 1, DIGEST, DIGEST, "file", "job", 1_700_000_000_000_000)
    hosts = [f"web{number:03}" for number in range(250)]
    for host in hosts:
        for number in range(5):
            services.ledger.deployments.record(host, f"/etc/{number}", deployment)
    upload(client, b"other", "?force=true")
    first = client.get("/api/file/stale").json
    assert (len(first["stale"]), first["total"]) == (1000, 1000)
    second = client.get(f"/api/file/stale?cursor={first['next_cursor']}").json
    assert shaped(second, "StaleDeploymentsResponse")["total"] == 250
    found = [(one["hostname"], one["path"]) for page in (first, second) for one in page["stale"]]
    assert found == [(host, f"/etc/{number}") for host in hosts for number in range(5)]
    assert {one["hostname"] for one in client.get("/api/file/stale?limit=1").json["stale"]} == {"web000"}
    refused(client.get("/api/file/stale?limit=1001"), 400, "limit")
    refused(client.get("/api/file/stale?cursor=x"), 400, "cursor")


def test_an_object_is_deployed_by_a_call(client: FlaskClient, services: Services, no_wait: None) -> None:
    body = {"object_name": "nginx.conf", "path": "/etc/nginx.conf", "content_type": "template", "vars": {"n": 4}}
    refused(client.post("/api/node/web1/file/deploy", json=body), 400, "no object 'nginx.conf'")
    upload(client)
    answer = client.post("/api/node/web1/file/deploy", json=body)
    assert answer.status_code == 202
    data = services.jobs.get(answer.json["job_id"]).data
    assert (data["object"], data["path"], data["vars"]) == ("nginx.conf", "/etc/nginx.conf", {"n": 4})
    assert (data["content_type"], data["source"]["sha256"]) == ("template", DIGEST)


DEPLOYING = [
    ("POST", "/service", {"name": "app"}, "node.service.create", ("service:write", "file:write")),
    ("PUT", "/service/app", {}, "node.service.update", ("service:write", "file:write")),
    ("POST", "/schedule/cron", {"name": "app", "interval": "daily"}, "schedule.cron.create", ("cron:write",)),
    (
        "PUT",
        "/schedule/cron/app",
        {"content_type": "template", "vars": {"n": 1}},
        "schedule.cron.update",
        ("cron:write",),
    ),
    ("POST", "/certificate/ca", {"name": "app"}, "certificate.ca.create", ("certificate:write",)),
    ("PUT", "/certificate/ca/app", {}, "certificate.ca.update", ("certificate:write",)),
]


def test_calls_that_deploy_an_object(app: Flask, services: Services, no_wait: None) -> None:
    """One after the other: setting up an API takes longer than a call."""
    upload(act(app, "file:*"))
    for method, route, fields, operation, permissions in DEPLOYING:
        path, body = f"/api/node/web1{route}", {**fields, "object": "nginx.conf"}
        client = act(app, "job:*", "file:read", *permissions)
        refused(client.open(path, method=method, json={**body, "object": "other"}), 400, "no object 'other'")
        refused(client.open(path, method=method, json={**body, "object": "../x"}), 400, "object")
        refused(client.open(path, method=method, json={**body, "source": {}}), 400, "source")
        answer = client.open(path, method=method, json=body)
        assert answer.status_code == 202, answer.json
        job = services.jobs.get(answer.json["job_id"])
        source = {"version": 1, "sha256": DIGEST, "content_type": "raw", "package": job.data["source"]["package"]}
        assert job.operation == operation
        assert dict(job.data) == {**body, "name": "app", "version": 1, "source": source}
        for missing in ("file:read", *permissions):
            left = {"job:*", "file:read", *permissions} - {missing}
            refused(act(app, *left).open(path, method=method, json=body), 403, missing)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent answers here."""
    from api.osapi import waiting

    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
