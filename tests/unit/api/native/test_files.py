"""/file: what is stored, shown, refused and recorded."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.deployment import Deployment
from jobqueue.services import Services
from tests.unit.api.lost_answers import lost_answers
from tests.unit.api.over_a_ledger import act, services_with, settings_in
from tests.unit.full_disk import full_disk

DATA = b"Welcome to {{ hostname }}\n"
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return services_with(settings_in(tmp_path), {"web1": {"group": "web"}})


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    settings = settings_in(tmp_path_factory.mktemp("api"))
    return create_app(settings, services_with(settings, {}))


@pytest.fixture
def app(shared_app: Flask, services: Services) -> Flask:
    shared_app.extensions["jobqueue"] = services
    return shared_app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "file:read", "file:write")


def form(**fields: object) -> dict[str, object]:
    """A form; bytes are sent as files."""
    parts = {"name": "motd", "file": DATA, **fields}
    made = {name: (io.BytesIO(part), name) if isinstance(part, bytes) else part for name, part in parts.items()}
    return {"data": made, "content_type": "multipart/form-data"}


@pytest.mark.parametrize("always", [False, True])
def test_content_is_kept_if_the_answer_of_redis_is_lost(client: FlaskClient, services: Services, always: bool) -> None:
    assert client.put("/file/motd", data=b"old").status_code == 201
    script = services.ledger.objects._scripts._of("store_object").sha
    with lost_answers(script if always else ""):
        answer = client.put("/file/motd", data=DATA)
    assert answer.status_code == (503 if always else 200), answer.text
    services.ledger.packages.sweep(100)
    assert client.get("/file/motd/content").data == DATA
    assert client.put("/file/motd", data=DATA).json["changed"] is False


def test_put_get_and_download(client: FlaskClient) -> None:
    stored = client.put("/file/motd", data=DATA, query_string={"content_type": "template", "sha256": DIGEST})
    assert stored.status_code == 201
    assert {name: stored.json[name] for name in ("name", "version", "sha256", "size", "content_type", "changed")} == {
        "name": "motd",
        "version": 1,
        "sha256": DIGEST,
        "size": len(DATA),
        "content_type": "template",
        "changed": True,
    }
    again = client.put("/file/motd", data=DATA, query_string={"content_type": "template"})
    assert (again.status_code, again.json["changed"], again.json["version"]) == (200, False, 1)
    newer = client.put("/file/motd", data=b"newer")
    assert (newer.status_code, newer.json["version"]) == (200, 2)
    found = client.get("/file/motd").json
    assert ([one["version"] for one in found["versions"]], found["deployments"]) == ([2, 1], 0)
    assert client.get("/file/motd/content").data == b"newer"
    first = client.get("/file/motd/content?version=1")
    assert (first.data, first.headers["ETag"]) == (DATA, f'"{DIGEST}"')
    assert client.get("/file/motd/content?version=3").status_code == 404


def test_a_form_is_taken_too(client: FlaskClient) -> None:
    first = client.post("/file", **form(content_type="template"))
    assert (first.status_code, first.json["sha256"], first.json["content_type"]) == (201, DIGEST, "template")
    assert client.post("/file", **form(content_type="template")).status_code == 200
    other = {"file": b"other"}
    assert client.post("/file", **form(**other)).status_code == 409
    assert client.post("/file?force=true", **form(**other)).json["version"] == 2


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "../x"}, "name"),
        ({"name": ""}, "name"),
        ({"content_type": "zip"}, "content_type"),
        ({"more": "x"}, "more"),
        ({"file": "text"}, "file"),
        ({"file": b""}, "empty"),
        ({"second": b"x"}, "file"),
    ],
)
def test_wrong_forms_are_refused(client: FlaskClient, fields: dict[str, object], word: str) -> None:
    answer = client.post("/file", **form(**fields))
    assert answer.status_code == 400, answer.json
    assert word in answer.json["error"]
    assert client.get("/file").json["total"] == 0


def test_a_form_for_which_the_disk_has_no_room(client: FlaskClient) -> None:
    """A large file waits on disk until the form is complete."""
    # made here: the test client itself would need room on the disk
    part = "--x\r\nContent-Disposition: form-data; name="
    name, file = f'{part}"name"\r\n\r\n', f'{part}"file"; filename="a"\r\n\r\n'
    body = name.encode() + b"motd\r\n" + file.encode() + bytes(1_000_000) + b"\r\n--x--\r\n"
    with full_disk(100_000):
        answer = client.post("/file", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 507, answer.json
    assert "TMPDIR" in answer.json["error"]
    assert client.get("/file").json["total"] == 0
    assert client.post("/file", data=body, content_type="multipart/form-data; boundary=x").status_code == 201


def test_other_bodies_than_forms_are_refused(client: FlaskClient) -> None:
    assert client.post("/file", json={}).status_code == 415
    cut = client.post("/file", data=b"--x\r\nno form", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert cut.status_code == 400
    assert client.put("/file/motd", data=DATA, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert client.put("/file/motd", data=b"").status_code == 400
    assert client.put("/file/motd", data=DATA, query_string={"sha256": "0" * 64}).status_code == 400


def test_the_limit_of_packages_holds_and_not_that_of_other_bodies(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.packages, "max_bytes", 50_000)
    assert client.put("/file/big", data=bytes(50_001)).status_code == 413
    assert client.post("/file", **form(file=bytes(200_000))).status_code == 413
    assert client.put("/file/big", data=bytes(50_000)).status_code == 201


def test_pages(client: FlaskClient) -> None:
    for name in ("a", "b", "c"):
        client.put(f"/file/{name}", data=DATA)
    page = client.get("/file?limit=2").json
    assert ([one["name"] for one in page["files"]], page["total"]) == (["a", "b"], 3)
    rest = client.get("/file", query_string={"cursor": page["next_cursor"]}).json
    assert ([one["name"] for one in rest["files"]], rest["next_cursor"]) == (["c"], None)


def test_what_is_deployed_is_not_deleted(client: FlaskClient, services: Services) -> None:
    client.put("/file/motd", data=DATA)
    deployment = Deployment("motd", 1, DIGEST, DIGEST, "file", "job", 5)
    services.ledger.deployments.record("web1", "/etc/motd", deployment)
    refused = client.delete("/file/motd")
    assert (refused.status_code, refused.json["details"]) == (409, {"name": "motd", "deployments": 1})
    client.put("/file/motd", data=b"newer")
    (stale,) = client.get("/file/stale").json["stale"]
    assert {name: stale[name] for name in ("hostname", "path", "version", "current_version")} == {
        "hostname": "web1",
        "path": "/etc/motd",
        "version": 1,
        "current_version": 2,
    }
    assert client.delete("/file/motd?force=true").status_code == 204
    assert client.get("/file/motd").status_code == 404
    assert client.get("/file/stale").json == {"stale": [], "next_cursor": None}


def test_changes_are_written_into_the_audit_trail_with_them(client: FlaskClient, services: Services) -> None:
    client.put("/file/motd", data=DATA)
    client.delete("/file/motd")
    deleted, stored = services.ledger.audit.newest(2)
    assert (stored.content.result, stored.content.details) == (
        "done",
        {"object": "motd", "version": 1, "sha256": DIGEST},
    )
    assert (deleted.content.method, deleted.content.details) == ("DELETE", {"object": "motd"})
    assert services.ledger.audit.total() == 2


@pytest.mark.parametrize("permission", ["file:read@web1", "file:write@web1", "job:read"])
def test_permissions_on_some_hosts_do_not_open_the_store(app: Flask, permission: str) -> None:
    act(app, "file:write").put("/file/motd", data=DATA)
    client = act(app, permission)
    for path in ("/file", "/file/motd", "/file/motd/content", "/file/stale"):
        assert client.get(path).status_code == 403
    assert client.put("/file/other", data=DATA).status_code == 403
    assert client.delete("/file/motd").status_code == 403


def test_a_job_holds_the_version_of_its_submission(app: Flask, services: Services) -> None:
    act(app, "file:write").put("/file/motd", data=DATA)
    body = {
        "operation": {"type": "file.deploy.execute", "data": {"object": "motd", "path": "/etc/motd"}},
        "target_hostname": "web1",
    }
    refused = act(app, "job:write", "file:write").post("/job", json=body)
    assert (refused.status_code, "file:read" in refused.json["error"]) == (403, True)
    client = act(app, "job:write", "job:read", "file:write", "file:read")
    job = client.get(f"/job/{client.post('/job', json=body).json['job_id']}").json
    data = job["operation"]["data"]
    assert (data["version"], data["source"]["sha256"]) == (1, DIGEST)
    body["operation"]["data"]["validate"] = "test -s %s"
    refused = client.post("/job", json=body)
    assert (refused.status_code, "command:execute" in refused.json["error"]) == (403, True)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"object": "other", "path": "/x"}, "no object 'other'"),
        ({"object": "motd", "version": 9, "path": "/x"}, "no version 9"),
        ({"object": "../motd", "path": "/x"}, "object"),
        ({"object": "motd", "path": "/x/../y"}, "path"),
        ({"object": "motd", "path": "x"}, "path"),
        ({"object": "motd", "content": "x", "path": "/x"}, "either"),
        ({"path": "/x"}, "content"),
        ({"content": "x", "version": 1, "path": "/x"}, "Only with an object"),
        ({"content": "x", "path": "/x", "validate": "true"}, "%s"),
        ({"content": "x", "path": "/x", "validate": "test '%s"}, "command line"),
        (
            {
                "content": "x",
                "path": "/x",
                "source": {"version": 1, "sha256": "0" * 64, "content_type": "raw", "package": "p"},
            },
            "Only with an object",
        ),
    ],
)
def test_wrong_references_are_refused(app: Flask, data: dict[str, object], word: str) -> None:
    client = act(app, "*")
    client.put("/file/motd", data=DATA)
    body = {"operation": {"type": "file.deploy.execute", "data": data}, "target_hostname": "web1"}
    answer = client.post("/job", json=body)
    assert answer.status_code == 400, answer.json
    assert word in answer.json["error"]


def test_a_callers_own_source_is_replaced(app: Flask) -> None:
    client = act(app, "*")
    client.put("/file/motd", data=DATA)
    source = {"version": 1, "sha256": "0" * 64, "content_type": "raw", "package": "p"}
    data = {"object": "motd", "path": "/x", "source": source}
    body = {"operation": {"type": "file.deploy.execute", "data": data}, "target_hostname": "web1"}
    job = client.get(f"/job/{client.post('/job', json=body).json['job_id']}").json
    assert job["operation"]["data"]["source"]["sha256"] == DIGEST
