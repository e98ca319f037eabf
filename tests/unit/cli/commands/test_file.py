"""``jobqueue file``: what is sent, and what is printed."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jobqueue.client import Client
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID
from tests.unit.client.fake_api import FakeApi, Reply

CONTENT = b"worker_processes 4;\n"
VERSION: dict[str, Any] = {
    "version": 2,
    "sha256": sha256(CONTENT).hexdigest(),
    "size": len(CONTENT),
    "content_type": "template",
    "stored_at": "2026-12-31T10:00:05.123Z",
    "stored_by": "alice",
}
FILE = {"name": "nginx.conf", **VERSION}
STALE = {
    "object": "nginx.conf",
    "hostname": "web1",
    "path": "/etc/nginx.conf",
    "provider": "file",
    "job_id": "123e4567-e89b-42d3-a456-426614174000",
    "version": 1,
    "sha256": "0" * 64,
    "current_version": 2,
    "current_sha256": VERSION["sha256"],
    "deployed_at": "2026-12-31T10:00:05.123Z",
}


def test_put_sends_the_bytes_and_their_digest(run: Run, api: FakeApi, tmp_path: Path) -> None:
    api.on("PUT", "/file/nginx.conf", Reply(201, {**FILE, "changed": True}), Reply(200, {**FILE, "changed": False}))
    local = tmp_path / "nginx.conf.j2"
    local.write_bytes(CONTENT)
    result = run("file", "put", "nginx.conf", str(local), "--template")
    assert (result.exit_code, result.stdout) == (0, "nginx.conf  version 2  stored\n")
    (seen,) = api.seen
    assert seen.body == CONTENT
    assert seen.query == {"content_type": "template", "sha256": VERSION["sha256"]}
    assert seen.headers["Content-Type"] == "application/octet-stream"
    assert "Transfer-Encoding" not in seen.headers
    assert run("file", "put", "nginx.conf", str(local)).stdout == "nginx.conf  version 2  unchanged\n"


def test_put_reads_standard_input(run: Run, api: FakeApi) -> None:
    api.on("PUT", "/file/nginx.conf", Reply(201, {**FILE, "changed": True}))
    assert run("file", "put", "nginx.conf", "-", stdin=CONTENT.decode()).exit_code == 0
    assert api.seen[0].body == CONTENT


def test_put_of_a_missing_file(run: Run, api: FakeApi, tmp_path: Path) -> None:
    result = run("file", "put", "nginx.conf", str(tmp_path / "missing"))
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
    assert api.seen == []


def test_list_and_show(run: Run, api: FakeApi) -> None:
    api.on("GET", "/file", Reply(200, {"files": [FILE], "total": 1, "next_cursor": None}))
    api.on("GET", "/file/nginx.conf", Reply(200, {**FILE, "deployments": 3, "versions": [VERSION]}))
    listed = run("file", "list").stdout
    assert "nginx.conf" in listed
    assert "template" in listed
    assert "deployed at 3 paths" in run("file", "show", "nginx.conf").stdout
    assert json.loads(run("file", "list", "--json").stdout) == {"files": [FILE], "total": 1}


def test_get_writes_the_content(run: Run, api: FakeApi, tmp_path: Path) -> None:
    api.on("GET", "/file/nginx.conf/content", Reply(200, CONTENT), Reply(404, {"error": "No.", "code": 404}))
    target = tmp_path / "got"
    assert run("file", "get", "nginx.conf", "--version", "1", "-o", str(target)).exit_code == 0
    assert target.read_bytes() == CONTENT
    assert api.seen[0].query == {"version": "1"}
    assert run("file", "get", "nginx.conf", "-o", str(target)).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_delete_asks(run: Run, api: FakeApi) -> None:
    api.on("DELETE", "/file/nginx.conf", Reply(204))
    assert run("file", "delete", "nginx.conf", stdin="n\n").exit_code == 1
    assert api.seen == []
    assert run("file", "delete", "nginx.conf", "--yes", "--force").exit_code == 0
    assert api.seen[0].query == {"force": "true"}


def test_stale_reads_all_pages(run: Run, api: FakeApi) -> None:
    pages = ({"stale": [STALE], "next_cursor": "x"}, {"stale": [{**STALE, "hostname": "web2"}], "next_cursor": None})
    api.on("GET", "/file/stale", *(Reply(200, page) for page in pages))
    printed = run("file", "stale").stdout
    assert "web1" in printed
    assert "web2" in printed
    assert api.seen[1].query["cursor"] == "x"


def test_deploy_is_a_run_of_the_operation(run: Run, api: FakeApi) -> None:
    accepted = {"job_id": "123e4567-e89b-42d3-a456-426614174000", "status": "created", "revision": 1, "timestamp": ""}
    api.on("POST", "/job", Reply(201, accepted))
    api.on("GET", "/operation", Reply(200, {"operations": [{"type": "file.deploy.execute", "changes": True}]}))
    result = run(
        *("file", "deploy", "nginx.conf", "/etc/nginx.conf", "--on", "group:web", "--mode", "0644", "--var", "n:=4"),
        *("--validate", "nginx -t -c %s", "--backup", "--no-wait", "--version", "2"),
    )
    assert result.exit_code == 0, result.stderr
    body = api.seen[-1].body
    assert (body["operation"]["type"], body["target_hostname"]) == ("file.deploy.execute", "group:web")
    assert body["operation"]["data"] == {
        "object": "nginx.conf",
        "path": "/etc/nginx.conf",
        "version": 2,
        "mode": "0644",
        "validate": "nginx -t -c %s",
        "backup": True,
        "vars": {"n": 4},
    }


@pytest.mark.parametrize("name", ["", ".", "..", "stale", "../x", "a/b"])
def test_names_that_would_change_the_route(api: FakeApi, name: str) -> None:
    with Client(api.url, "t") as client, pytest.raises(Exception, match="names no object"):
        client.files.get(name)
    assert api.seen == []


def test_one_deployment_is_at_one_path(run: Run, api: FakeApi) -> None:
    api.on("GET", "/file/nginx.conf", Reply(200, {**FILE, "deployments": 1, "versions": [VERSION]}))
    assert "deployed at 1 path of hosts\n" in run("file", "show", "nginx.conf").stdout


@pytest.mark.parametrize(
    ("before", "option", "noted"), [("template", (), 1), ("raw", (), 0), ("template", ("--template",), 0)]
)
def test_put_says_that_a_template_is_none_any_more(
    run: Run, api: FakeApi, before: str, option: tuple[str, ...], noted: int
) -> None:
    api.on("PUT", "/file/nginx.conf", Reply(201, {**FILE, "changed": True}))
    versions = [VERSION, {**VERSION, "version": 1, "content_type": before}]
    api.on("GET", "/file/nginx.conf", Reply(200, {**FILE, "versions": versions}))
    result = run("file", "put", "nginx.conf", "-", *option, stdin="x")
    assert (result.exit_code, result.stdout) == (0, "nginx.conf  version 2  stored\n")
    assert result.stderr.count("the version before was a template") == noted


@pytest.mark.parametrize(("names", "count"), [((), "0 files"), (("web1/etc/motd",), "1 file")])
def test_an_archive_is_named_with_the_number_of_its_files(
    run: Run, api: FakeApi, tmp_path: Path, names: tuple[str, ...], count: str
) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in (*names, "_not-included.txt"):
            archive.writestr(name, "x")
    api.on("GET", f"/job/{ID}/files", Reply(200, body.getvalue(), {"Content-Type": "application/zip"}))
    result = run("file", "fetched", ID, "-o", str(tmp_path / "a.zip"))
    assert (result.exit_code, result.stderr) == (0, f"{tmp_path / 'a.zip'}: {count}\n")
