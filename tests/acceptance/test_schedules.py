"""Two copies of the API fire schedules and are killed again and again: each time makes exactly one job."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobqueue.model.timestamps import from_iso
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import Process
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

TOKEN = "a-token-for-tests"
SECOND = 1_000_000
KILLS = 2


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(home / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def parts(make_stack: MakeStack, server: OwnRedis) -> Stack:
    return make_stack({"JOBQUEUE_REDIS_URL": server.url, "JOBQUEUE_TOKEN": TOKEN, "JOBQUEUE_API_WORKERS": "1"})


def start(parts: Stack, number: int, ports: list[int]) -> Process:
    process, _ = parts.start_api(f"api{number}", ports[number], TOKEN)
    return process


def fired(api: Api) -> list[int]:
    """The times of the audit entries of the schedule's jobs, in the order of the jobs."""
    entries = api.get("/audit", limit=1000).json["entries"]
    return [from_iso(entry["details"]["time"]) for entry in entries if entry["path"] == "/schedule/s"][::-1]


def test_two_copies_that_are_killed_make_one_job_for_each_second(parts: Stack) -> None:
    ports = [free_port(), free_port()]
    processes = [start(parts, number, ports) for number in range(2)]
    parts.use(f"http://127.0.0.1:{ports[0]}", TOKEN)
    parts.agent("s1", wait=False)
    apis = [Api(f"http://127.0.0.1:{port}", TOKEN) for port in ports]
    until(lambda: apis[0].get("/agent/s1").status == 200, "the agent is known")
    job = {"operation": {"type": "node.hostname.get"}, "target_hostname": "s1"}
    body = {"name": "s", "every": "1s", "overlap": "allow", "catch_up": "1h", "job": job}
    assert apis[0].post("/schedule", body).status == 201
    for kill in range(KILLS):
        victim, other = kill % 2, apis[(kill + 1) % 2]
        before = len(fired(other))
        until(lambda: len(fired(other)) >= before + 2, "the schedule fires")  # noqa: B023 - called at once
        os.killpg(processes[victim].pid, signal.SIGKILL)  # the master and its worker
        processes[victim].wait()
        before = len(fired(other))
        until(lambda: len(fired(other)) >= before + 2, "the other copy fires")  # noqa: B023
        processes[victim] = start(parts, victim, ports)
    assert apis[0].post("/schedule/s/pause").status == 200
    times = fired(apis[0])
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [SECOND] * (len(times) - 1)
    assert apis[0].jobs(tag="schedule:s", limit=1)["total_items"] == len(times)
    results = apis[0].get("/schedule/s").json["results"]
    assert {result["outcome"] for result in results} <= {"fired", "paused"}, json.dumps(results)
