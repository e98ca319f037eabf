from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from api.dashboard.snippets import MOST_CHARACTERS, snippets
from tests.unit.api.fakes import a_job
from tests.unit.cli.conftest import api as api  # noqa: PLC0414 - a fixture
from tests.unit.client.fake_api import FakeApi, Reply

BASE = "https://jobs.example/jq"
JOB = a_job(
    operation="command.shell.execute",
    data={"command": "echo 'it''s' \"$HOME\" `id` \\ ü\n", "n": [1, None, True]},
    target="group:web",
    title="It's; $(reboot)",
    timeout_seconds=30.0,
    tags={"team": "web & db"},
)
BODY = {
    "operation": {"type": JOB.operation, "data": JOB.data},
    "target_hostname": "group:web",
    "title": JOB.title,
    "timeout_seconds": 30.0,
    "tags": {"team": "web & db"},
}


def text_of(name: str) -> str:
    return next(snippet.text for snippet in snippets(JOB, BASE) if snippet.name == name)


def test_curl_sends_the_same_body() -> None:
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{text_of('curl')}"
    answer = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env={"JOBQUEUE_TOKEN": "t0"})
    *words, _ = answer.stdout.decode().split("\0")
    assert words[:2] == ["--fail-with-body", f"{BASE}/job"]
    assert "Authorization: Bearer t0" in words
    assert json.loads(words[words.index("--data") + 1]) == BODY


def submitted(api: FakeApi) -> dict[str, Any]:
    (found,) = [seen.body for seen in api.seen if (seen.method, seen.path) == ("POST", "/job")]
    body: dict[str, Any] = found if isinstance(found, dict) else json.loads(found)
    del body["idempotency_key"]
    return body


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    job_id = "123e4567-e89b-42d3-a456-426614174000"
    api.on("POST", "/job", Reply(201, {"job_id": job_id, "status": "submitted", "revision": 1}))
    done = {"id": job_id, "status": "completed", "operation": {"type": JOB.operation}, "responses": {}}
    api.on("GET", f"/job/{job_id}", Reply(200, {**done, "agent_states": {}, "timeline": []}))
    return api


def test_the_command_line_submits_the_same(accepting: FakeApi) -> None:
    command, *words = shlex.split(text_of("Command line"))
    assert command == "jobqueue"
    words.remove("--watch")
    environment = {"JOBQUEUE_URL": accepting.url, "JOBQUEUE_TOKEN": "t0", "PATH": ""}
    subprocess.run([sys.executable, "-m", "jobqueue", *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert submitted(accepting) == BODY


def test_python_submits_the_same(accepting: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_URL", accepting.url)
    monkeypatch.setenv("JOBQUEUE_TOKEN", "t0")
    names: dict[str, Any] = {}
    exec(compile(ast.parse(text_of("Python")), "snippet", "exec"), names)  # noqa: S102 - our own text
    assert submitted(accepting) == BODY
    assert names["job"]["status"] == "completed"


def test_long_data_makes_no_commands() -> None:
    assert snippets(a_job(data={"content": "x" * MOST_CHARACTERS}), BASE) == ()
