"""Workflows through the command line: a failure is rolled back and retried, and processes that die double nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import Process
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

TOKEN = "a-token-for-tests"
NODES = 8
Cli = Callable[..., subprocess.CompletedProcess[str]]
DEPLOY = """
parameters: {file: {}}
nodes:
  - name: drain
    target_hostname: w1
    operation: {type: node.hostname.get}
  - name: upgrade
    needs: [drain]
    target_hostname: w1,w2
    rollout: {batch: 1}
    operation: {type: script.shell.execute, data: {script: 'test -e "$FILE"', env: {FILE: "{{ file }}"}}}
  - name: roll-back
    needs: [upgrade]
    when: failure
    target_hostname: w2
    operation: {type: node.hostname.get}
  - name: undrain
    needs: [upgrade, roll-back]
    when: always
    target_hostname: w1
    operation: {type: node.hostname.get}
"""


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(home / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def parts(make_stack: MakeStack, server: OwnRedis) -> Stack:
    return make_stack({"JOBQUEUE_REDIS_URL": server.url, "JOBQUEUE_TOKEN": TOKEN, "JOBQUEUE_API_WORKERS": "1"})


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture(scope="module")
def processes(parts: Stack, ports: list[int]) -> list[Process]:
    """Two copies of the API, maintenance, and the agents w1 and w2."""
    copies = [start_api(parts, number, ports) for number in range(2)]
    parts.use(f"http://127.0.0.1:{ports[0]}", TOKEN)
    maintenance = parts.start("maintenance", ["maintenance"])
    for hostname in ("w1", "w2"):
        parts.agent(hostname, wait=False)
    api = Api(f"http://127.0.0.1:{ports[0]}", TOKEN)
    for hostname in ("w1", "w2"):
        until(lambda: api.get(f"/agent/{hostname}").status == 200, "the agent is known")  # noqa: B023 - called at once
    return [*copies, maintenance]


def start_api(parts: Stack, number: int, ports: list[int]) -> Process:
    process, _ = parts.start_api(f"api{number}", ports[number], TOKEN)
    return process


@pytest.fixture
def cli(parts: Stack, ports: list[int]) -> Cli:
    """A ``jobqueue`` command against the first copy of the API."""
    return partial(parts.run, JOBQUEUE_URL=f"http://127.0.0.1:{ports[0]}")


def states(run: dict[str, Any]) -> dict[str, str]:
    return {node["name"]: node["state"] for node in run["nodes"]}


def kill(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.usefixtures("processes")
def test_a_failure_is_rolled_back_and_the_rest_is_retried(cli: Cli, tmp_path: Path) -> None:
    mark = tmp_path / "repaired"
    file = tmp_path / "w.yaml"
    file.write_text(DEPLOY)
    stored = cli("workflow", "set", "deploy", "-f", str(file))
    assert stored.stdout.startswith("deploy  created, version 1"), stored.stderr
    failed = cli("workflow", "run", "deploy", "-p", f"file={mark}", "--json")
    assert failed.returncode == 1, failed.stderr
    run = json.loads(failed.stdout)
    assert run["status"] == "failed"
    assert states(run) == {
        "drain": "completed",
        "upgrade": "failed",
        "roll-back": "completed",
        "undrain": "completed",
    }
    assert "upgrade  failed" in failed.stderr
    mark.touch()
    retried = cli("workflow", "retry", run["id"][:8], "--json")
    assert retried.returncode == 0, retried.stderr
    again = json.loads(retried.stdout)
    assert states(again) == {
        "drain": "completed",
        "upgrade": "completed",
        "roll-back": "skipped",
        "undrain": "completed",
    }
    assert again["nodes"][0]["job_id"] == run["nodes"][0]["job_id"]
    assert run["id"] in cli("workflow", "runs", "deploy").stdout


def test_processes_that_are_killed_make_one_job_for_each_node(
    cli: Cli, parts: Stack, processes: list[Process], ports: list[int], tmp_path: Path
) -> None:
    """While a run goes on, each copy of the API and maintenance are killed, one after another."""
    apis = [Api(f"http://127.0.0.1:{port}", TOKEN) for port in ports]
    operation = {"type": "command.exec.execute", "data": {"argv": ["sleep", "0.3"]}}
    nodes = [
        {
            "name": f"n{number}",
            "operation": operation,
            "target_hostname": f"w{number % 2 + 1}",
            **({"needs": [f"n{number - 1}"]} if number else {}),
        }
        for number in range(NODES)
    ]
    file = tmp_path / "chain.json"
    file.write_text(json.dumps({"nodes": nodes}))
    assert cli("workflow", "set", "chain", "-f", str(file)).returncode == 0
    run_id = apis[0].post("/workflow/chain/run").json["id"]
    for number, victim in enumerate((0, 1, 2, 0)):
        other = apis[1 if victim == 0 else 0]
        until(
            lambda: states(other.get(f"/workflow-run/{run_id}").json)[f"n{number}"] != "waiting",  # noqa: B023
            "the next node starts",
        )
        kill(processes[victim])
        if victim == 2:
            processes[2] = parts.start(f"maintenance{number}", ["maintenance"])
        else:
            processes[victim] = start_api(parts, victim, ports)
    until(lambda: apis[0].get(f"/workflow-run/{run_id}").json["status"] == "completed", "the run has ended", 120)
    run = apis[0].get(f"/workflow-run/{run_id}").json
    jobs = apis[0].jobs(tag=f"workflow_run:{run_id}", limit=100)["items"]
    assert sorted(job["tags"]["workflow_node"] for job in jobs) == sorted(f"n{number}" for number in range(NODES))
    assert {job["id"] for job in jobs} == {node["job_id"] for node in run["nodes"]}
    starts = [entry for entry in run["timeline"] if entry["event"] == "started"]
    assert [entry["node"] for entry in starts] == [f"n{number}" for number in range(NODES)]
