"""The main job: one operation to any agent, to a named host, to a label, to all; and what the API then tells."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Answer, Api, assert_error
from tests.acceptance.support.until import until

AGENTS = ["agent1", "agent2", "agent3"]
#: The documented fields of a job, and ours.
FIELDS = {
    "id", "status", "created", "operation", "result", "changed", "error", "hostname", "updated_at", "responses",
    "agent_states", "timeline",
    "target_hostname", "tags", "attempts", "expected_agents", "retry_of", "retried_as", "cancel_requested", "origin",
    "submitted_by", "alias", "title", "description", "priority", "timeout_seconds", "not_before", "expires_at",
    "retries", "rollout", "execution_counts", "executions_left_out", "executions_url",
    "saved", "approval", "concurrency",
}  # fmt: skip
STATUSES = {"submitted", "processing", "completed", "failed", "partial_failure", "cancelled", "skipped"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DURATION = re.compile(r"\d+ms|\d+(\.\d)?s|(\d+h)?\d+m\d+s")


def check_story(job: dict[str, Any], hosts: list[str]) -> None:
    """What holds for every job that ran to the end on ``hosts``, whatever came out."""
    assert set(job) == FIELDS
    assert sorted(job["agent_states"]) == sorted(job["responses"]) == hosts
    for host in hosts:
        response, state = job["responses"][host], job["agent_states"][host]
        assert set(response) == {"status", "data", "changed", "error", "hostname"}
        assert set(state) == {"status", "error", "duration"}
        assert response["hostname"] == host
        assert (response["status"], response["error"]) == (state["status"], state["error"])
        assert DURATION.fullmatch(state["duration"])
        events = [event for event in job["timeline"] if event["hostname"] == host]
        assert [event["event"] for event in events] == ["acknowledged", "started", response["status"]]
        assert [event["error"] for event in events[:2]] == [None, None]
    first = job["timeline"][0]
    assert (first["event"], first["hostname"], first["message"]) == ("submitted", "_api", "Job submitted to queue")
    times = [event["timestamp"] for event in job["timeline"]]
    assert all(TIME.fullmatch(text) for text in [*times, job["created"], job["updated_at"]])
    assert times == sorted(times)
    assert (job["created"], job["updated_at"]) == (times[0], times[-1])
    assert len(job["timeline"]) == 1 + 3 * len(hosts)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_any_runs_on_exactly_one_agent(api: Api, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    job = api.run("command.shell.execute", {"command": f"echo ran >> {mark}; echo done"}, "_any", tags={"of": "any"})
    (host,) = job["responses"]
    assert host in AGENTS
    check_story(job, [host])
    assert lines(mark) == ["ran"]
    assert (job["status"], job["changed"], job["error"], job["hostname"]) == ("completed", True, None, host)
    assert (job["result"]["stdout"], job["result"]["exit_code"]) == ("done\n", 0)
    assert job["result"] == job["responses"][host]["data"]
    assert (job["target_hostname"], job["expected_agents"]) == ("_any", [host])
    assert (job["tags"], job["attempts"], job["origin"]) == ({"of": "any"}, 1, "native")
    assert [event["message"] for event in job["timeline"]] == [
        "Job submitted to queue",
        f"Job acknowledged by agent {host}",
        f"Job processing started on {host}",
        f"Job completed successfully on {host}",
    ]


def test_a_named_host_runs_it(api: Api, tmp_path: Path) -> None:
    job = api.run("accept.note.do", {"file": str(tmp_path / "ran")}, "agent2")
    check_story(job, ["agent2"])
    assert lines(tmp_path / "ran") == [f"{job['id']} 1 agent2 {lines(tmp_path / 'ran')[0].split()[3]}"]
    assert (job["hostname"], job["expected_agents"], job["result"]) == ("agent2", ["agent2"], {"line": 1})


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        ("group:web", ["agent1", "agent2"]),
        ("group:web.prod", ["agent2"]),
        ("group:db", ["agent3"]),
        ("n:1", ["agent1"]),
    ],
)
def test_a_label_matches_by_dotted_prefix(api: Api, tmp_path: Path, target: str, hosts: list[str]) -> None:
    job = api.run("accept.note.do", {"file": str(tmp_path / "ran")}, target)
    check_story(job, hosts)
    assert sorted(line.split()[2] for line in lines(tmp_path / "ran")) == hosts
    assert (job["status"], job["changed"], job["result"], job["expected_agents"]) == ("completed", True, None, hosts)


def test_a_broadcast_runs_once_on_every_agent(api: Api, tmp_path: Path) -> None:
    job = api.run("accept.note.do", {"file": str(tmp_path / "ran")}, "_all")
    check_story(job, AGENTS)
    assert sorted(line.split()[2] for line in lines(tmp_path / "ran")) == AGENTS
    assert (job["status"], job["changed"], job["result"], job["error"]) == ("completed", True, None, None)
    assert job["hostname"] == job["timeline"][-1]["hostname"]  # who answered last
    assert job["expected_agents"] == AGENTS


def test_changed_is_false_when_no_agent_changed_anything(api: Api, tmp_path: Path) -> None:
    data = {"path": f"{tmp_path}/@fact.{{hostname}}.conf", "content": "x=1\n", "mode": "0640"}
    first, second = api.run("file.deploy.execute", data, "_all"), api.run("file.deploy.execute", data, "_all")
    assert [first["changed"], second["changed"]] == [True, False]
    assert {answer["changed"] for answer in second["responses"].values()} == {False}
    # the fact is filled in per agent
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{host}.conf" for host in AGENTS]
    (tmp_path / "agent3.conf").write_text("changed by hand")
    third = api.run("file.deploy.execute", data, "_all")
    assert third["changed"] is True
    assert {host: answer["changed"] for host, answer in third["responses"].items()} == {
        "agent1": False, "agent2": False, "agent3": True,
    }  # fmt: skip


def test_a_broadcast_that_fails_on_one_host(api: Api, tmp_path: Path) -> None:
    (tmp_path / "agent2.conf").mkdir()
    job = api.run("file.deploy.execute", {"path": f"{tmp_path}/@fact.{{hostname}}.conf", "content": "x"}, "_all")
    check_story(job, AGENTS)
    reason = f"{tmp_path}/agent2.conf is a directory, not a regular file; it was not changed."
    assert (job["status"], job["error"]) == ("partial_failure", f"1 of 3 agents failed: agent2: {reason}")
    assert {host: state["status"] for host, state in job["agent_states"].items()} == {
        "agent1": "completed", "agent2": "failed", "agent3": "completed",
    }  # fmt: skip
    failed = job["responses"]["agent2"]
    assert (failed["error"], failed["data"], failed["changed"]) == (reason, None, None)
    assert job["agent_states"]["agent2"]["error"] == reason
    (event,) = [event for event in job["timeline"] if event["event"] == "failed"]
    assert (event["hostname"], event["message"], event["error"]) == ("agent2", "Job failed on agent2", reason)
    assert job["changed"] is True


def test_a_broadcast_that_fails_everywhere(api: Api) -> None:
    job = api.run("command.exec.execute", {"argv": ["/nowhere/to/be/found"]}, "_all")
    check_story(job, AGENTS)
    assert (job["status"], job["changed"]) == ("failed", None)
    reason = "Command '/nowhere/to/be/found' was not found."
    assert job["error"] == "3 of 3 agents failed: " + "; ".join(f"{host}: {reason}" for host in AGENTS)


def test_skipped_where_it_is_not_supported(api: Api) -> None:
    some = api.run("accept.choosy.get", {"file": "-", "hosts": ["agent1"]}, "_all")
    every = api.run("accept.choosy.get", {"file": "-", "hosts": AGENTS}, "_all")
    single = api.run("accept.choosy.get", {"file": "-", "hosts": AGENTS}, "agent1")
    check_story(some, AGENTS)
    assert (some["status"], some["changed"], some["error"]) == ("completed", False, None)
    assert some["agent_states"]["agent1"]["status"] == "skipped"
    assert [(job["status"], job["changed"]) for job in (every, single)] == [("skipped", None)] * 2
    (event,) = [event for event in single["timeline"] if event["event"] == "skipped"]
    assert event["message"] == "Job skipped on agent1 (not supported: agent1 is not made for this)"


def test_two_hundred_jobs_to_any_are_shared_fairly(api: Api, tmp_path: Path) -> None:
    # longer than handing a message over takes, so that no agent can take all of them; and all together so long that
    # an agent which the machine lets wait for two seconds still gets its share
    data = {"file": str(tmp_path / "ran"), "seconds": 0.5}
    jobs = [{"operation": {"type": "accept.note.do", "data": data}, "tags": {"of": "fair"}}] * 200
    answer = api.post("/job/batch", {"jobs": jobs})
    assert (answer.status, answer.json["accepted"]) == (201, 200)
    ids = [item["job_id"] for item in answer.json["items"]]
    for job_id in ids:
        assert api.wait(job_id)["status"] == "completed"
    ran = [line.split() for line in lines(tmp_path / "ran")]
    assert sorted(line[0] for line in ran) == sorted(ids)
    shares = {host: sum(line[2] == host for line in ran) for host in AGENTS}
    assert min(shares.values()) >= 20, shares
    assert api.jobs(tag="of:fair", status="completed")["total_items"] == 200


def test_counts_agree_with_the_listing(api: Api) -> None:
    api.run("node.hostname.get")

    def pages() -> tuple[dict[str, Any], dict[str, dict[str, Any]]] | None:
        """The whole list and that of each status; None if a job of an earlier test moved on meanwhile."""
        whole = api.jobs(limit=1)
        found = {status: api.jobs(status=status, limit=100) for status in STATUSES}
        return (whole, found) if api.jobs(limit=1)["status_counts"] == whole["status_counts"] else None

    seen = until(pages, "nothing moves while the pages are read")
    assert seen is not None
    page, of_status = seen
    assert set(page) == {"total_items", "is_least", "status_counts", "items", "next_cursor"}
    assert set(page["status_counts"]) == STATUSES
    assert sum(page["status_counts"].values()) == page["total_items"]
    for status, count in page["status_counts"].items():
        found = of_status[status]
        assert found["total_items"] == count
        assert found["status_counts"] == page["status_counts"]
        assert {job["status"] for job in found["items"]} <= {status}


def test_agents_say_who_and_how_they_are(api: Api) -> None:
    def idle() -> tuple[dict[str, Any], dict[str, Any]] | None:
        """All agents, and agent1. Heartbeats carry what runs, so the previous test may still show."""
        found = api.get("/agent").json
        agent = {agent["hostname"]: agent for agent in found["agents"]}["agent1"]
        return (found, agent) if agent["running"] == 0 else None

    seen = until(idle, "agent1 says that it is idle")
    assert seen is not None
    found, agent = seen
    assert found["total"] == len(found["agents"])
    assert (agent["status"], agent["state"]) == ("live", "Ready")
    assert agent["labels"] == {"group": "web.dev", "n": "1"}
    assert {"os", "kernel", "cpus", "memory", "disks", "addresses"} <= set(agent["facts"])
    assert len(agent["load"]) == 3
    assert agent["memory"]["total"] > agent["memory"]["available"] > 0
    assert {"node.hostname.get", "command.exec.execute", "accept.note.do"} <= set(agent["operations"])
    assert (agent["running"], agent["queue_length"]) == (0, 0)
    assert datetime.fromisoformat(agent["last_heartbeat"])
    assert isinstance(agent["conditions"], list)
    assert api.get("/agent/agent1").json["hostname"] == "agent1"
    assert_error(api.get("/agent/nobody"), 404)


def test_every_route_is_there_under_api_too(api: Api) -> None:
    created = api.post("/api/job", {"operation": {"type": "node.hostname.get"}})
    assert created.status == 201
    assert set(created.json) == {"job_id", "status", "revision", "timestamp"}
    assert (created.json["status"], created.json["revision"]) == ("submitted", 1)
    assert created.headers["Location"] == f"/api/job/{created.json['job_id']}"
    api.wait(created.json["job_id"])
    for path in (f"/job/{created.json['job_id']}", "/job", "/agent", "/operation", "/health", "/health/status"):
        answers: list[Answer] = [api.get(path), api.get(f"/api{path}")]
        assert [answer.status for answer in answers] == [200, 200], path


def test_operations_are_described(api: Api) -> None:
    found = {info["type"]: info for info in api.get("/operation").json["operations"]}
    info = found["command.exec.execute"]
    assert (info["changes"], info["idempotent"], info["permission"]) == (True, False, "command:execute")
    assert (info["positional"], found["node.hostname.get"]["positional"]) == ("argv", None)
    assert {"argv", "cwd", "env", "stdin", "timeout"} <= set(info["schema"]["properties"])
    assert found["node.hostname.get"]["idempotent"] is True
    assert found["example.greeting.get"]["plugin"] == "jobqueue-example 1.0.0"
