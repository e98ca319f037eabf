"""``--steps FILE``: of run, of job submit, of a schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.operations.registry import Registry
from tests.unit.cli.commands.test_schedule import STORED
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED
from tests.unit.client.fake_api import FakeApi, Reply

STEPS = [
    {"name": "stop", "operation": {"type": "node.service.stop", "data": {"name": "shop"}}},
    {"name": "no", "when": "always", "operation": {"type": "command.shell.execute", "data": {"command": "date +%F"}}},
]
YAML = """
# YAML 1.2: no and 12:30 are texts
steps:
  - name: stop
    operation: {type: node.service.stop, data: {name: shop}}
  - name: no
    when: always
    operation:
      type: command.shell.execute
      data:
        command: date +%F
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "steps.yaml"
    path.write_text(YAML)
    return str(path)


def operation(api: FakeApi) -> Any:
    return api.seen[-1].body["operation"]


def test_a_job(api: FakeApi, run: Run, file: str) -> None:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    expected = {"type": "steps.run", "data": {"steps": STEPS}}
    assert run("job", "submit", "--steps", file, "--target", "web1").exit_code == 0
    assert operation(api) == expected
    assert run("run", "--steps", file, "--on", "web1", "--no-wait").exit_code == 0
    assert operation(api) == expected
    result = run("run", "--steps", "-", "--on", "web1", "--no-wait", stdin=json.dumps({"steps": STEPS}))
    assert result.exit_code == 0
    assert operation(api) == expected


def test_a_check(api: FakeApi, run: Run, file: str) -> None:
    infos = [{"type": info.type, "schema": info.schema, "changes": info.changes} for info in Registry.load(()).infos()]
    api.on("GET", "/operation", Reply(200, {"operations": infos, "total": len(infos)}))
    api.on("POST", "/job", Reply(201, ACCEPTED))
    assert run("run", "--steps", file, "--on", "web1", "--check", "--diff", "--no-wait").exit_code == 0
    assert operation(api)["data"] == {"steps": STEPS, "check": True, "diff": True}


def test_a_schedule(api: FakeApi, run: Run, file: str) -> None:
    api.on("POST", "/schedule", Reply(201, STORED))
    assert run("schedule", "create", "x", "--cron", "@daily", "--on", "web1", "--steps", file).exit_code == 0
    assert api.seen[-1].body["job"]["operation"] == {"type": "steps.run", "data": {"steps": STEPS}}
    both = run("schedule", "create", "x", "--cron", "@daily", "--steps", file, "--job", "{}")
    assert (both.exit_code, "--job gives the jobs as a whole" in both.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--steps", "FILE"], "A job with steps may change hosts"),
        (["run", "--steps", "FILE", "--on", "web1", "uptime"], "--steps gives the whole work"),
        (["run", "--steps", "FILE", "--on", "web1", "--script", "FILE"], "--steps gives the whole work"),
        (["run", "--steps", "FILE", "--on", "web1", "-d", "steps:=[]"], "steps is given twice"),
        (["run", "--steps", "/no/such", "--on", "web1"], "/no/such"),
        (["job", "submit", "node.uptime.get", "--steps", "FILE"], "leave out node.uptime.get"),
        (["job", "submit"], "Missing argument 'OPERATION'"),
    ],
)
def test_usage_errors(api: FakeApi, run: Run, file: str, arguments: list[str], says: str) -> None:
    result = run(*(file if word == "FILE" else word for word in arguments))
    assert result.exit_code in (1, 2)
    assert says in " ".join(result.stderr.split())


@pytest.mark.parametrize("text", ["{}", "steps: x", "steps: {a: 1}"])
def test_a_file_without_steps(run: Run, api: FakeApi, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    result = run("job", "submit", "--steps", str(path))
    assert (result.exit_code, "has no list of steps" in result.stderr) == (2, True)
