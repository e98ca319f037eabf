"""/job/{id}/output: a job's output as a file."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from jobqueue.model.output import Chunk, OutputPage
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job
from tests.unit.api.shapes import error

JOB = a_job().id


@pytest.fixture(autouse=True)
def printed(services: FakeServices) -> None:
    services.store[JOB] = a_job()
    services.followed_hosts = [
        OutputPage("web1", (Chunk(14, "stdout", b"one\n"), Chunk(16, "stderr", b"\xff\n")), 16, 10, False, "completed"),
        OutputPage("web1", (Chunk(20, "stdout", b"two\n"),), 20, 0, True, "completed"),
        OutputPage("web2", (Chunk(70_000, "stdout", b"x" * 70_000),), 70_000, 0, True, "failed"),
        OutputPage("web3", (), 0, 0, True, "completed"),
    ]


def test_a_line_for_each_piece(ask: Ask) -> None:
    response = ask("GET", f"/job/{JOB}/output")
    assert response.content_type == "application/jsonl"
    assert response.headers["Content-Disposition"] == f'attachment; filename="job-{JOB[:8]}.jsonl"'
    lines = [json.loads(line) for line in response.data.splitlines()]
    about = {"hostname": "web1", "status": "completed"}
    assert lines[:4] == [
        {**about, "cut": 10},
        {**about, "offset": 14, "stream": "stdout", "attempt": 1, "text": "one\n"},
        {**about, "offset": 16, "stream": "stderr", "attempt": 1, "text": "\ufffd\n", "base64": "/wo="},
        {**about, "offset": 20, "stream": "stdout", "attempt": 1, "text": "two\n"},
    ]
    assert [line["hostname"] for line in lines[4:]] == ["web2"]


def test_an_archive_has_a_file_for_each_host(ask: Ask) -> None:
    response = ask("GET", f"/job/{JOB}/output?format=zip")
    assert response.content_type == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "web1.txt": b"[... 10 bytes are no longer stored ...]\none\n\xff\ntwo\n",
            "web2.txt": b"x" * 70_000,
            "web3.txt": b"",
        }


def test_only_failed_hosts(ask: Ask) -> None:
    response = ask("GET", f"/job/{JOB}/output?format=zip&failed=true")
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.namelist() == ["web2.txt"]


def test_bad_input(ask: Ask) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    error(ask("GET", f"/job/{other}/output"), 404, other)
    error(ask("GET", "/job/nonsense/output"), 400, "UUID")
    error(ask("GET", f"/job/{JOB}/output?format=tar"), 400, field="format")
    error(ask("GET", f"/job/{JOB}/output?failed=yes"), 400, field="failed")
