"""/jobs: Fusion's Jobs API, as scripts of its users call it."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from jobqueue.model.states import ExecutionState

from .conftest import Agent, Ask, fusion_error

STORED: dict[str, Any] = {"id": "nightly", "type": "node.hostname.get"}
PREFIXES = ("/api", "/api/apollo", "/api/apps/shop", "/api/apollo/apps/shop")
AT = "/api/jobs/spark:nightly"


@pytest.fixture(autouse=True)
def _stored(ask: Ask) -> None:
    assert ask("POST", "/api/spark/configurations", STORED).status_code == 200


@pytest.mark.parametrize("prefix", PREFIXES)
def test_start_and_poll_as_scripts_do(ask: Ask, agent: Agent, prefix: str) -> None:
    action = {"action": "start", "comment": "Started by script"}
    started = ask("POST", f"{prefix}/jobs/spark:nightly/actions", action)
    assert started.status_code == 200, started.text
    body = started.get_json()
    assert body == {"resource": "spark:nightly", "accepted": True, "jobId": body["jobId"], **action}
    assert ask("GET", "/api/spark/jobs/nightly").get_json()["state"] == "starting"
    assert ask("GET", f"{prefix}/jobs/spark:nightly").get_json()["status"] == "running"
    agent.finish(agent.take(), {"n": 1})
    shown = ask("GET", f"{prefix}/jobs/spark:nightly").get_json()
    assert (shown["resource"], shown["status"], shown["state"]) == ("spark:nightly", "success", "idle")
    assert (shown["runId"], shown["extra"]["n"]) == (body["jobId"], 1)
    assert shown["lastStartTime"] == shown["startTime"] < shown["endTime"] == shown["lastEndTime"]
    assert ask("GET", "/api/spark/jobs/nightly").get_json()["state"] == "finished"


def test_idle_before_the_first_run(ask: Ask) -> None:
    idle = {"resource": "spark:nightly", "enabled": True, "status": "idle", "state": "idle", "extra": {}}
    assert ask("GET", AT).get_json() == idle
    for prefix in PREFIXES[1:]:
        assert ask("GET", f"{prefix}/jobs").get_json() == [idle]
    assert ask("GET", f"{AT}/history").get_json() == []


def test_history(ask: Ask, agent: Agent) -> None:
    runs = []
    for end, note in ((ExecutionState.COMPLETED, ""), (ExecutionState.FAILED, "why"), (ExecutionState.SKIPPED, "")):
        runs.append(ask("POST", f"{AT}/actions", {"action": "start"}).get_json()["jobId"])
        agent.finish(agent.take(), state=end, note=note)
    found = ask("GET", f"{AT}/history").get_json()
    assert [run["runId"] for run in found] == runs[::-1]
    assert [run["status"] for run in found] == ["skipped", "failed", "success"]
    assert found[1]["extra"]["error"] == "why"
    assert [run["runId"] for run in ask("GET", f"{AT}/history?limit=1").get_json()] == runs[-1:]
    fusion_error(ask("GET", f"{AT}/history?limit=0"), 400, "limit")


@pytest.mark.parametrize("action", ["abort", "cancel"])
def test_abort(ask: Ask, agent: Agent, action: str) -> None:
    run_id = ask("POST", f"{AT}/actions", {"action": "start"}).get_json()["jobId"]
    fusion_error(ask("POST", f"{AT}/actions", {"action": "start"}), 409, run_id)
    claim = agent.take()
    stopped = ask("POST", f"{AT}/actions", {"action": action})
    assert (stopped.status_code, stopped.get_json()["jobId"]) == (200, run_id)
    assert ask("GET", AT).get_json()["status"] == "aborting"
    agent.finish(claim, state=ExecutionState.CANCELLED, note="on request")
    assert ask("GET", AT).get_json()["status"] == "aborted"
    fusion_error(ask("POST", f"{AT}/actions", {"action": action}), 409, "nothing to cancel")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "restart"}, ["'restart'", "start, abort, cancel"]),
        ({"action": "Start"}, ["start, abort, cancel"]),
        ({"action": ["start"]}, ["start, abort, cancel"]),
        ({}, ["action", "start, abort, cancel"]),
        ({"action": "start", "comment": 1}, ["comment"]),
        ({"action": "start", "when": "now"}, ["when"]),
        ([], ["object"]),
    ],
)
def test_bad_actions_start_nothing(ask: Ask, body: Any, says: list[str]) -> None:
    fusion_error(ask("POST", f"{AT}/actions", body), 400, *says)
    assert ask("GET", AT).get_json()["state"] == "idle"


def test_without_a_schedule(ask: Ask) -> None:
    assert ask("GET", f"{AT}/schedule").get_json() == {"resource": "spark:nightly", "enabled": False, "triggers": []}
    fusion_error(ask("POST", f"{AT}/schedule", {"enabled": True, "triggers": []}), 405)


@pytest.mark.parametrize("path", ["", "/history", "/schedule"])
def test_what_is_not_there(ask: Ask, path: str) -> None:
    fusion_error(ask("GET", f"/api/jobs/spark:nothing{path}"), 404, "nothing")
    fusion_error(ask("GET", f"/api/jobs/datasource:crawl{path}"), 404, "datasource:crawl", "spark:ID")
    fusion_error(ask("GET", f"/api/apps/a/jobs/spark:a%20b{path}"), 404, "spark:")
    for action in ("start", "abort"):
        fusion_error(ask("POST", "/api/jobs/spark:nothing/actions", {"action": action}), 404, "nothing")


def test_rays_paths_stay_rays(ask: Ask) -> None:
    submitted = ask("POST", "/api/jobs/", {"entrypoint": "true", "submission_id": "a:b"})
    assert submitted.status_code == 200
    assert ask("GET", "/api/jobs/a:b").get_json()["submission_id"] == "a:b"
    assert [job["submission_id"] for job in ask("GET", "/api/jobs").get_json()] == ["a:b"]
    refused = ask("POST", "/api/jobs/", {"entrypoint": "true", "submission_id": "spark:nightly"})
    assert (refused.status_code, "spark:" in refused.text) == (400, True)


def test_a_start_needs_the_permission_of_what_runs(app: Flask, ask: Ask) -> None:
    assert app.test_client().post(f"{AT}/actions", json={"action": "start"}).status_code == 401
