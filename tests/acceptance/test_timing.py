"""When a job starts: by priority, not before its time, not after its deadline, again after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api, assert_error
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

SOLO, SLEEPER = "solo", "sleeper"


@pytest.fixture(scope="module")
def api(spare: Stack) -> Iterator[Api]:
    """The API of a stack with one more agent, which does one thing at a time."""
    agent = spare.agent(SOLO, "--concurrency", "1")
    yield spare.api
    assert agent.stop() == 0
    spare.api.wait_for_agent(SOLO, "offline")


class Gate:
    """Keeps the one-at-a-time agent busy until it is opened."""

    def __init__(self, api: Api, directory: Path) -> None:
        self._file = directory / "gate"
        line = f"while [ ! -e {self._file} ]; do sleep 0.02; done"
        self.job_id = api.submit("command.shell.execute", {"command": line}, SOLO)
        api.wait_for_state(self.job_id, "started")

    def open(self) -> None:
        self._file.touch()


def now_plus(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def event_times(job: dict[str, Any], event: str) -> list[datetime]:
    return [moment(entry["timestamp"]) for entry in job["timeline"] if entry["event"] == event]


def events(job: dict[str, Any]) -> list[str]:
    return [entry["event"] for entry in job["timeline"]]


def test_the_highest_priority_starts_first(api: Api, tmp_path: Path) -> None:
    gate = Gate(api, tmp_path)
    data = {"file": str(tmp_path / "ran")}
    wanted: list[tuple[int, str]] = []
    for priority in (1, 9, None, 0, 7, 9, 1):
        options = {} if priority is None else {"priority": priority}
        wanted.append((4 if priority is None else priority, api.submit("accept.note.do", data, SOLO, **options)))
    assert {api.job(job_id)["status"] for _, job_id in wanted} == {"submitted"}
    assert api.agent(SOLO)["queue_length"] == len(wanted)
    gate.open()
    for _, job_id in wanted:
        assert api.wait(job_id)["status"] == "completed"
    ran = [line.split()[0] for line in (tmp_path / "ran").read_text().splitlines()]
    # the order of submission decides between equals
    assert ran == [job_id for _, job_id in sorted(wanted, key=lambda pair: -pair[0])]


def test_cancel_of_a_queued_job(api: Api, tmp_path: Path) -> None:
    gate = Gate(api, tmp_path)
    queued = api.submit("accept.note.do", {"file": str(tmp_path / "ran")}, SOLO)
    behind = api.submit("accept.note.do", {"file": str(tmp_path / "behind")}, SOLO)
    answer = api.post(f"/job/{queued}/cancel")
    assert (answer.status, answer.json["status"], answer.json["cancel_requested"]) == (202, "cancelled", True)
    assert_error(api.post(f"/job/{queued}/cancel"), 409)
    gate.open()
    assert api.wait(behind)["status"] == "completed"
    job = api.job(queued)
    assert (events(job), job["changed"], job["error"]) == (["submitted", "cancelled"], None, None)
    assert not (tmp_path / "ran").exists()


def test_not_before(api: Api, tmp_path: Path) -> None:
    wanted = now_plus(2.5)
    soon = api.submit("accept.note.do", {"file": str(tmp_path / "ran")}, not_before=wanted)
    all_of_them = api.submit("node.hostname.get", target="_all", not_before=wanted)
    never = api.submit("accept.note.do", {"file": str(tmp_path / "never")}, not_before=now_plus(3600))
    past = api.run("node.hostname.get", not_before="2020-01-01T00:00:00Z")
    assert past["status"] == "completed"
    assert api.job(never)["status"] == "submitted"
    assert api.post(f"/job/{never}/cancel").json["status"] == "cancelled"
    for job_id in (soon, all_of_them):
        job = api.wait(job_id)
        assert job["status"] == "completed"
        assert moment(job["not_before"]) - moment(wanted) < timedelta(milliseconds=1)
        for started in event_times(job, "started"):
            assert timedelta(0) <= started - moment(job["not_before"]) < timedelta(seconds=10)
    assert not (tmp_path / "never").exists()


def test_an_offline_host_is_waited_for_until_the_deadline(api: Api, spare: Stack, tmp_path: Path) -> None:
    spare.agent(SLEEPER).stop()
    assert api.agent(SLEEPER)["status"] == "offline"
    note = {"file": str(tmp_path / "ran")}
    waits = api.submit("accept.note.do", note, SLEEPER, expires_at=now_plus(120))
    # time enough for a busy machine to submit them, and for the agents that are there to start
    too_late = api.submit("accept.note.do", {"file": str(tmp_path / "late")}, SLEEPER, expires_at=now_plus(5))
    broadcast = api.submit("node.hostname.get", target="_all", expires_at=now_plus(5))
    without = api.run("node.hostname.get", target="_all")
    assert SLEEPER not in without["expected_agents"]  # a broadcast without a deadline does not wait for who is gone

    late = api.wait(too_late)
    assert (late["status"], late["error"], late["attempts"]) == ("failed", "not started before its deadline", 0)
    assert late["agent_states"][SLEEPER]["status"] == "expired"
    assert events(late) == ["submitted", "expired"]
    assert late["timeline"][-1]["message"] == f"Job expired before {SLEEPER} started it"
    partly = api.wait(broadcast)
    assert partly["status"] == "partial_failure"
    assert partly["agent_states"][SLEEPER]["status"] == "expired"
    assert partly["agent_states"]["agent1"]["status"] == "completed"

    assert api.job(waits)["status"] == "submitted"
    back = spare.agent(SLEEPER, log_name="sleeper-again")
    job = api.wait(waits)
    assert (job["status"], job["hostname"]) == ("completed", SLEEPER)
    assert len((tmp_path / "ran").read_text().splitlines()) == 1
    assert not (tmp_path / "late").exists()
    again = api.post(f"/job/{broadcast}/retry", {"only": ["expired"]})
    assert api.wait(again.json["job_id"])["expected_agents"] == [SLEEPER]
    back.stop()


def test_no_live_agent_is_said_at_once(api: Api, spare: Stack) -> None:
    spare.agent("lonely", "--label", "place=attic").stop()
    total = api.total()
    answer = api.post("/job", {"operation": {"type": "node.hostname.get"}, "target_hostname": "place:attic"})
    assert_error(answer, 409)
    assert "place:attic" in answer.json["error"]
    assert "lonely" in answer.json["error"]
    assert api.total() == total


def test_a_failure_is_tried_again_after_a_growing_pause(api: Api, tmp_path: Path) -> None:
    policy = {"max_attempts": 3, "backoff_seconds": 0.3, "jitter": 0}
    job = api.run("accept.flaky.do", {"file": str(tmp_path / "ran"), "failures": 2}, retries=policy)
    assert (job["status"], job["attempts"], job["result"], job["error"]) == ("completed", 3, {"line": 3}, None)
    run = ["acknowledged", "started"]
    assert events(job) == ["submitted", *run, "retried", *run, "retried", *run, "completed"]
    retried, started = event_times(job, "retried"), event_times(job, "started")
    pauses = [(after - before).total_seconds() for before, after in zip(retried, started[1:], strict=True)]
    assert pauses[0] >= 0.3
    assert pauses[1] >= 0.6
    assert [entry["message"] for entry in job["timeline"] if entry["event"] == "retried"] == [
        "Job retried: attempt 1 of 3 failed, next in 300ms: RuntimeError: failure 1",
        "Job retried: attempt 2 of 3 failed, next in 600ms: RuntimeError: failure 2",
    ]


def test_the_attempts_are_used_up(api: Api, tmp_path: Path) -> None:
    policy = {"max_attempts": 2, "backoff_seconds": 0.05}
    job = api.run("accept.flaky.do", {"file": str(tmp_path / "ran"), "failures": 9}, "_all", retries=policy)
    assert job["status"] == "failed"
    assert {state["status"] for state in job["agent_states"].values()} == {"failed"}
    assert job["attempts"] == 2
    assert len((tmp_path / "ran").read_text().splitlines()) == 2 * len(job["expected_agents"])


def test_cancel_while_it_waits_for_its_next_attempt(api: Api, tmp_path: Path) -> None:
    policy = {"max_attempts": 5, "backoff_seconds": 60}
    job_id = api.submit("accept.flaky.do", {"file": str(tmp_path / "ran"), "failures": 9}, retries=policy)
    until(lambda: "retried" in events(api.job(job_id)), "the first attempt has failed")
    assert api.job(job_id)["status"] == "submitted"
    assert api.post(f"/job/{job_id}/cancel").json["status"] == "cancelled"
    assert len((tmp_path / "ran").read_text().splitlines()) == 1
