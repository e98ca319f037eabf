"""The Procfile, run by honcho: web, worker, maintenance and Flower, which shows every execution."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import ROOT, Stack, clean_environ
from tests.acceptance.support.until import until

pytest.importorskip("honcho")
pytest.importorskip("flower")

TOKEN = "a-token-for-tests"
PROCESSES = ("web", "worker", "maintenance", "flower")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(home / "procfile-redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def flower_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def started(make_stack: MakeStack, server: OwnRedis, flower_port: int, home: Path) -> Stack:
    """`honcho start` as the Makefile does it, with the command `jobqueue` on PATH."""
    commands = home / "bin"
    commands.mkdir()
    command = commands / "jobqueue"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobqueue "$@"\n')
    command.chmod(0o755)
    port = free_port()
    environ = {
        "PATH": f"{commands}{os.pathsep}{clean_environ()['PATH']}",
        "JOBQUEUE_REDIS_URL": server.url,
        "JOBQUEUE_TOKEN": TOKEN,
        "JOBQUEUE_API_PORT": str(port),
        "JOBQUEUE_HOSTNAME": "procfile-host",
        "FLOWER_PORT": str(flower_port),
    }
    stack = make_stack(environ)
    stack.use(f"http://127.0.0.1:{port}", TOKEN)
    shutil.copy(ROOT / "Procfile", stack.logs)
    honcho = stack.start_program("honcho", [sys.executable, "-m", "honcho", "start"], stack.environ)

    def serves() -> bool:
        assert honcho.exit_code is None, honcho.log()
        try:
            return stack.api.agent("procfile-host").get("status") == "live"
        except (OSError, AssertionError, urllib3.exceptions.HTTPError):
            return False

    until(serves, "the agent is live", 60)
    return stack


def flower(port: int, path: str, password: str = TOKEN) -> tuple[int, Any]:
    credentials = base64.b64encode(f"admin:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    try:
        response = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", headers=headers, retries=False)
    except urllib3.exceptions.HTTPError:
        return 0, None
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    return response.status, json.loads(response.data) if is_json else None


def test_honcho_starts_what_the_procfile_names(started: Stack) -> None:
    named = [line.split(":")[0] for line in (ROOT / "Procfile").read_text().splitlines()]
    assert sorted(named) == sorted(PROCESSES)
    log = started.logs / "honcho.log"
    for name in PROCESSES:
        until(lambda name=name: f"{name}.1" in log.read_text("utf-8", "replace"), f"honcho tells of {name}")
    job = started.api.run("node.hostname.get", target="procfile-host")
    assert (job["status"], job["hostname"]) == ("completed", "procfile-host")


def test_flower_shows_each_execution_as_a_task(started: Stack, flower_port: int) -> None:
    until(lambda: flower(flower_port, "/api/tasks")[0] == 200, "Flower answers", 60)
    # Flower sees what happens from when it listens. Of a task that was under way just then it knows the end only:
    # no name, no arguments. So it is asked about each job after that job, until it saw one from its beginning.
    jobs: list[str] = []

    def shown() -> Any:
        jobs.append(started.api.run("node.hostname.get", target="_all")["id"])
        tasks: dict[str, Any] = flower(flower_port, "/api/tasks")[1] or {}
        own = [(job_id, tasks[key]) for job_id in jobs if (key := f"{job_id}:procfile-host:1") in tasks]
        return [(job_id, task) for job_id, task in own if task["state"] == "SUCCESS" and task["received"]]

    job_id, task = until(shown, "Flower has seen a task from its beginning to its end")[0]
    assert task["name"] == "jobqueue.execute"
    assert job_id in task["args"]
    assert "procfile-host" in task["args"]


def test_flower_asks_for_the_password(started: Stack, flower_port: int) -> None:
    until(lambda: flower(flower_port, "/api/tasks")[0] == 200, "Flower answers", 60)
    assert flower(flower_port, "/api/tasks", "wrong")[0] == 401
