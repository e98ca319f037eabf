"""Rollouts with real agents: what ran is counted by a file for each host."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.api import Api, assert_error, request
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

SHELL = "command.shell.execute"


def shell(line: str, tmp_path: Path) -> dict[str, object]:
    return {"command": line, "env": {"HOST": "@fact.hostname", "AT": str(tmp_path)}}


def ran(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("terms", [{"batch": 1}, {"canary": 1}, {"canary": 1, "batch": 1, "max_failures": 3}])
def test_host_1_fails_and_no_further_host_runs(api: Api, tmp_path: Path, terms: dict[str, object]) -> None:
    job = api.run(SHELL, shell('touch "$AT/$HOST"; [ "$HOST" != agent1 ]', tmp_path), "_all", rollout=terms)
    assert ran(tmp_path) == ["agent1"]
    assert job["status"] == "failed"
    states = {host: state["status"] for host, state in job["agent_states"].items()}
    assert states == {"agent1": "failed", "agent2": "cancelled", "agent3": "cancelled"}
    assert job["rollout"]["state"] == "stopped"
    assert "1 of 3 hosts failed" in job["rollout"]["stopped_because"]
    again = api.post(f"/job/{job['id']}/retry", {"only": ["failed"]})
    assert api.wait(again.json["job_id"])["rollout"]["terms"] == job["rollout"]["terms"]


def test_a_host_that_cannot_be_verified_stops_the_rollout(api: Api, tmp_path: Path) -> None:
    check = shell('[ -e "$AT/$HOST" ] && [ "$HOST" != agent2 ]', tmp_path)
    verify = {"operation": {"type": SHELL, "data": check}, "within_seconds": 2}
    job = api.run(SHELL, shell('touch "$AT/$HOST"', tmp_path), "_all", rollout={"batch": 1, "verify": verify})
    assert ran(tmp_path) == ["agent1", "agent2"]
    states = {host: state["status"] for host, state in job["agent_states"].items()}
    assert states == {"agent1": "completed", "agent2": "failed", "agent3": "cancelled"}
    assert f"the verification {SHELL} failed" in job["responses"]["agent2"]["error"]
    assert job["rollout"]["stopped_because"] == "1 of 3 hosts failed; the limit is 1"


def test_paused_resumed_approved_aborted(api: Api, tmp_path: Path) -> None:
    terms = {"batch": 1, "between": "approve"}
    job_id = api.submit(SHELL, shell('touch "$AT/$HOST"', tmp_path), "_all", rollout=terms)
    until(lambda: api.job(job_id)["rollout"]["state"] == "awaiting_approval", "the first batch has ended")
    assert ran(tmp_path) == ["agent1"]
    assert api.post(f"/job/{job_id}/pause").json["rollout"]["state"] == "paused"
    assert_error(api.post(f"/job/{job_id}/approve"), 409)
    assert api.post(f"/job/{job_id}/resume").json["rollout"]["state"] == "awaiting_approval"
    assert api.post(f"/job/{job_id}/approve").status == 200
    until(lambda: ran(tmp_path) == ["agent1", "agent2"], "the second batch has run")
    until(lambda: api.job(job_id)["rollout"]["state"] == "awaiting_approval", "the second batch has ended")
    job = api.post(f"/job/{job_id}/abort").json
    assert (job["status"], job["rollout"]["stopped_because"]) == ("cancelled", "aborted by admin")
    assert ran(tmp_path) == ["agent1", "agent2"]
    events = [event["event"] for event in job["timeline"] if event["hostname"] == "_api"]
    assert events == [
        *("submitted", "batch_opened", "batch_ended", "paused", "resumed", "approved", "batch_opened", "batch_ended"),
        *("aborted", "cancelled"),
    ]


def test_bad_terms(api: Api) -> None:
    for target, terms in (
        ("_any", {"batch": 1}),
        ("agent1", {"batch": 1}),
        ("_all", {"batch": 0}),
        ("_all", {"batch": "101%"}),
        ("_all", {"batch": 1, "max_failures": 4}),
        ("_all", {"batch": 1, "verify": {}}),
    ):
        assert_error(api.post("/job", request("node.hostname.get", target=target, rollout=terms)), 400)


@pytest.fixture
def fleet(spare: Stack) -> Iterator[Stack]:
    """Six agents with short leases."""
    for number in range(5):
        spare.agent(f"roll{number}")
    yield spare
    spare.stop_agents()


def test_kills_of_agents_and_maintenance_open_nothing_early(fleet: Stack, tmp_path: Path) -> None:
    api = fleet.api
    until(lambda: api.get("/agent").json["total"] >= 6, "all agents are known")
    # each run notes its begin and its end; how many ran at once is counted from these
    line = 'date +"%s%N + $HOST" >> "$AT/log"; sleep 1; date +"%s%N - $HOST" >> "$AT/log"'
    job_id = api.submit(
        SHELL, shell(line, tmp_path), "_all", rollout={"batch": 2, "max_failures": 6}, retries={"max_attempts": 1}
    )
    log = tmp_path / "log"
    until(lambda: log.exists() and " + " in log.read_text(), "the first batch runs")
    os.kill(fleet.part_pid("maintenance"), signal.SIGKILL)
    until(lambda: log.read_text().count(" + ") >= 3, "the second batch runs, with maintenance back")
    victim = log.read_text().split(" + ")[-1].split()[0]
    os.kill(fleet.agent_pid(victim), signal.SIGKILL)
    job = api.wait(job_id)
    hosts = len(job["expected_agents"])
    assert sum(sum(batch["counts"].values()) for batch in job["rollout"]["batches"]) == hosts
    assert [batch["state"] for batch in job["rollout"]["batches"]] == ["ended"] * ((hosts + 1) // 2)
    for before, after in zip(job["rollout"]["batches"], job["rollout"]["batches"][1:], strict=False):
        assert before["ended"] <= after["opened"]
    begun = [text.split()[2] for text in log.read_text().splitlines() if " + " in text]
    assert sorted(set(begun)) == sorted(begun), "a host ran twice"
    assert len(begun) == hosts
