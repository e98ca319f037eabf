"""An agent that fetches, claims and reports several executions at once: it dies in between, stops, or has company."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.dying_agent import PHASES
from tests.acceptance.support.runs import runs
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

NOTE, REPEATABLE = "accept.note.do", "accept.repeatable.do"
JOBS = 6
#: Seconds after which a message that is gone is published again, and some for a busy machine.
PUBLISHED_AGAIN = 5.0
#: How often each phase is tried; more in a long run.
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "2")) // 2 or 1


@pytest.fixture
def api(spare: Stack) -> Iterator[Api]:
    yield spare.api
    spare.stop_agents()


def is_lost(job: Mapping[str, Any]) -> bool:
    return "lost" in [entry["event"] for entry in job["timeline"]]


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("phase", PHASES)
def test_an_agent_that_is_killed_with_several_executions_in_hand(
    api: Api, spare: Stack, tmp_path: Path, phase: str, number: int
) -> None:
    host = f"{phase}{number}"
    assert spare.agent(host).stop() == 0
    api.wait_for_agent(host, "offline")
    jobs = {
        api.submit(kind, {"file": str(tmp_path / f"{kind}{count}")}, host): (kind, tmp_path / f"{kind}{count}")
        for count in range(JOBS // 2)
        for kind in (NOTE, REPEATABLE)
    }
    dying = ["-m", "tests.acceptance.support.dying_agent", phase, "worker", "--hostname", host]
    killed = spare.start_program(f"{host}-killed", [sys.executable, *dying], spare.environ)
    until(lambda: killed.exit_code is not None, "it has died")
    assert killed.exit_code == -9, killed.log()

    began = time.monotonic()
    spare.agent(host, log_name=f"{host}-again")
    claimed = 0
    for job_id, (kind, path) in jobs.items():
        job, ran = api.wait(job_id), runs(path)
        ends = [entry["event"] for entry in job["timeline"]]
        claimed += "lost" in ends or "retried" in ends
        if kind == NOTE:  # it may not run again, and is not said to have run if it has not
            assert len(ran) == 1 if job["status"] == "completed" else "lost" in ends and len(ran) <= 1, (job, ran)
        else:
            assert job["status"] == "completed", job
            assert 1 <= len(ran) <= job["attempts"] <= 2, (job, ran)
        if phase == "fetched":  # nothing of it shows
            assert (job["status"], job["attempts"], len(ran)) == ("completed", 1, 1)
    if phase == "fetched":
        assert claimed == 0
        assert time.monotonic() - began < 6 * PUBLISHED_AGAIN
    elif phase in ("claimed", "begun"):
        assert claimed > 1


def test_an_agent_that_was_frozen_begins_nothing_whose_lease_has_expired(
    api: Api, spare: Stack, tmp_path: Path
) -> None:
    assert spare.agent("frozen").stop() == 0
    api.wait_for_agent("frozen", "offline")
    jobs = {}
    for number in range(JOBS):
        path = tmp_path / f"ran{number}"
        jobs[api.submit(NOTE, {"file": str(path)}, "frozen")] = path
    mark = tmp_path / "frozen"
    command = [sys.executable, "-m", "tests.acceptance.support.dying_agent", "frozen", "worker", "--hostname", "frozen"]
    agent = spare.start_program("frozen-itself", command, {**spare.environ, "FROZEN": str(mark)})
    until(mark.exists, "it has claimed several, and is stopped")
    until(lambda: any(is_lost(api.job(job_id)) for job_id in jobs), "their leases have expired")
    agent.send(signal.SIGCONT)
    spare.agent("frozen", log_name="frozen-again")  # another one for what it has not claimed, in case it has given up
    ended = {job_id: api.wait(job_id) for job_id in jobs}
    agent.stop()
    assert sum(map(is_lost, ended.values())) > 1
    for job_id, job in ended.items():
        assert len(runs(jobs[job_id])) == (0 if is_lost(job) else 1), (job, runs(jobs[job_id]))


def test_two_idle_agents_share_what_arrives_at_once(api: Api, spare: Stack, tmp_path: Path) -> None:
    """Each has eight threads, so that one of them could take everything."""
    spare.agent("helper")
    gate = tmp_path / "gate"
    data = [{"file": str(tmp_path / f"ran{number}"), "seconds": 600, "gate": str(gate)} for number in range(16)]
    jobs = [api.submit(REPEATABLE, one) for one in data]
    paths = [Path(str(one["file"])) for one in data]
    until(lambda: all(runs(path) for path in paths), "all of them run at the same time")
    hosts = [runs(path)[0][2] for path in paths]
    assert {host: hosts.count(host) for host in hosts} == {"agent1": 8, "helper": 8}
    gate.touch()
    assert {api.wait(job_id)["status"] for job_id in jobs} == {"completed"}


def test_an_agent_that_stops_loses_none_of_many_messages(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("stopper", "--concurrency", "4")
    jobs = {}
    for number in range(40):
        path = tmp_path / f"ran{number}"
        jobs[api.submit(NOTE, {"file": str(path), "seconds": 0.05}, "stopper")] = path
    until(lambda: any(runs(path) for path in jobs.values()), "it has begun")
    assert agent.stop() == 0
    assert not all(runs(path) for path in jobs.values())
    spare.agent("stopper", log_name="stopper-again")
    for job_id, path in jobs.items():
        job = api.wait(job_id)
        assert (job["status"], len(runs(path))) == ("completed", 1), (job, runs(path))
