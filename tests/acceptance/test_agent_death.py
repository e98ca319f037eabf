"""Agents that die, leave, are replaced, or cannot do everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api, assert_error, request
from tests.acceptance.support.runs import runs
from tests.acceptance.support.stack import ROOT, Stack
from tests.acceptance.support.until import until

UNKNOWN = "how far it came is not known, and what it started may still be running there"

NOTE, REPEATABLE = "accept.note.do", "accept.repeatable.do"
VICTIM = "victim"


@pytest.fixture
def api(spare: Stack) -> Iterator[Api]:
    """None of a failed test's agents is there in the next one."""
    yield spare.api
    spare.stop_agents()


def events(job: dict[str, Any]) -> list[str]:
    return [entry["event"] for entry in job["timeline"]]


def test_an_agent_that_is_killed(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent(VICTIM)
    files = {name: tmp_path / name for name in ("once", "again", "retries")}
    once = api.submit(NOTE, {"file": str(files["once"]), "seconds": 600}, VICTIM)
    again = api.submit(REPEATABLE, {"file": str(files["again"]), "seconds": 600}, VICTIM)
    asked = api.submit(
        "accept.flaky.do", {"file": str(files["retries"]), "failures": 1}, VICTIM,
        retries={"max_attempts": 2, "backoff_seconds": 600},
    )  # fmt: skip
    until(lambda: all(runs(path) for path in files.values()), "they run")
    until(lambda: "retried" in events(api.job(asked)), "its first attempt has failed")
    gate = tmp_path / "gate"
    both = api.submit(NOTE, {"file": str(tmp_path / "both"), "seconds": 600, "gate": str(gate)}, "_all")
    until(lambda: len(runs(tmp_path / "both")) == 2, "it runs on both")
    agent.kill()
    gate.touch()

    lost = api.wait(once)
    assert (lost["status"], lost["attempts"], lost["changed"], lost["result"]) == ("failed", 1, None, None)
    assert lost["agent_states"][VICTIM]["status"] == "lost"
    assert lost["error"] == f"agent {VICTIM} was killed, restarted or cut off during attempt 1; {UNKNOWN}"
    assert events(lost) == ["submitted", "acknowledged", "started", "lost"]
    end = lost["timeline"][-1]
    assert (end["hostname"], end["error"]) == (VICTIM, lost["error"])
    assert "outcome is unknown" in end["message"]
    broadcast = api.wait(both)
    assert (broadcast["status"], broadcast["agent_states"][VICTIM]["status"]) == ("partial_failure", "lost")
    assert broadcast["agent_states"]["agent1"]["status"] == "completed"
    api.wait_for_agent(VICTIM, "offline")

    back = spare.agent(VICTIM, log_name="victim-again")
    job = api.wait(again)
    assert (job["status"], job["attempts"], job["result"]) == ("completed", 2, {"line": 2})
    assert events(job).count("retried") == 1
    assert [run[1] for run in runs(files["again"])] == ["1", "2"]
    assert len(runs(files["once"])) == 1
    assert api.job(asked)["status"] == "submitted"  # its back-off outlives the agent
    api.post(f"/job/{asked}/cancel")
    repeat = api.post(f"/job/{both}/retry", {"only": ["lost"]})
    assert api.wait(repeat.json["job_id"])["expected_agents"] == [VICTIM]
    assert back.stop() == 0


def test_what_any_agent_may_do_goes_on_elsewhere(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("helper")
    file = tmp_path / "ran"
    jobs = [api.submit(REPEATABLE, {"file": f"{file}{n}", "seconds": 600}) for n in range(12)]
    paths = [Path(f"{file}{n}") for n in range(12)]
    until(lambda: all(runs(path) for path in paths), "all of them run")
    first = {runs(path)[0][2] for path in paths}
    assert first == {"agent1", "helper"}  # each has eight places
    agent.kill()
    os.kill(spare.agent_pid("agent1"), signal.SIGKILL)  # `up` starts this one again
    for job_id, path in zip(jobs, paths, strict=True):
        job = api.wait(job_id)
        assert (job["status"], job["attempts"], job["hostname"]) == ("completed", 2, "agent1")
        assert [run[1] for run in runs(path)] == ["1", "2"]
        assert list(job["responses"]) == ["agent1"]
    api.wait_for_agent("helper", "offline")


def test_the_caller_asked_for_retries(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("trier")
    gate = tmp_path / "gate"
    data = {"file": str(tmp_path / "ran"), "seconds": 600, "gate": str(gate)}
    job_id = api.submit(NOTE, data, "trier", retries={"max_attempts": 2})
    until(lambda: runs(tmp_path / "ran"), "it runs")
    agent.kill()
    gate.touch()
    back = spare.agent("trier", log_name="trier-again")
    job = api.wait(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)
    assert len(runs(tmp_path / "ran")) == 2
    assert back.stop() == 0


def test_an_agent_that_is_asked_to_stop(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("leaver", "--concurrency", "3")
    files = {name: tmp_path / name for name in ("short", "long", "again", "queued")}
    gate = tmp_path / "gate"
    short = api.submit(NOTE, {"file": str(files["short"]), "seconds": 600, "gate": str(gate)}, "leaver")
    long = api.submit(NOTE, {"file": str(files["long"]), "seconds": 600}, "leaver")
    again = api.submit(REPEATABLE, {"file": str(files["again"]), "seconds": 600}, "leaver")
    until(lambda: all(runs(files[name]) for name in ("short", "long", "again")), "three of them run")
    queued = api.submit(NOTE, {"file": str(files["queued"])}, "leaver")
    agent.send(signal.SIGTERM)
    api.wait_for_agent("leaver", "offline")  # it reads its queue no more: whatever ends, it does not take the next
    gate.touch()
    done = api.wait(short)
    assert done["status"] == "completed"  # what ends soon may end
    stopped = api.wait(long)
    assert (stopped["status"], stopped["error"]) == ("failed", "agent leaver shut down during the run")
    assert agent.wait() == 0
    assert api.agent("leaver")["status"] == "offline"
    waiting = api.job(again)
    assert (waiting["status"], events(waiting)[-1]) == ("submitted", "retried")
    assert api.job(queued)["status"] == "submitted"

    back = spare.agent("leaver", log_name="leaver-again")
    assert [api.wait(job_id)["status"] for job_id in (again, queued)] == ["completed"] * 2
    assert {name: len(runs(path)) for name, path in files.items()} == {"short": 1, "long": 1, "again": 2, "queued": 1}
    assert back.stop() == 0


def test_the_newer_of_two_agents_with_one_name_wins(api: Api, spare: Stack, tmp_path: Path) -> None:
    older = spare.agent("twin")
    newer = spare.agent("twin", log_name="twin-newer", wait=False)
    older.wait()
    assert "Another process now runs as agent twin" in older.log()
    assert newer.exit_code is None
    api.wait_for_agent("twin")
    for _ in range(5):
        assert api.run(NOTE, {"file": str(tmp_path / "ran")}, "twin")["status"] == "completed"
    assert {run[3] for run in runs(tmp_path / "ran")} == {str(newer.pid)}
    assert len(runs(tmp_path / "ran")) == 5
    assert newer.stop() == 0


def test_an_agent_without_the_plugin(api: Api, spare: Stack, tmp_path: Path) -> None:
    bare = spare.agent("bare", environ={"PYTHONPATH": str(ROOT)})
    job = api.run(NOTE, {"file": str(tmp_path / "ran")}, "_all")
    assert {host: state["status"] for host, state in job["agent_states"].items()} == {
        "agent1": "completed", "bare": "skipped",
    }  # fmt: skip
    assert job["status"] == "completed"
    alone = api.run(NOTE, {"file": str(tmp_path / "ran")}, "bare")
    assert alone["status"] == "skipped"
    assert "not supported: Unknown operation 'accept.note.do'" in alone["timeline"][-1]["message"]
    # `_any` goes to who can do it
    jobs = [api.submit(NOTE, {"file": str(tmp_path / "any")}) for _ in range(20)]
    assert {api.wait(job_id)["hostname"] for job_id in jobs} == {"agent1"}
    builtin = [api.submit("node.hostname.get") for _ in range(20)]
    assert {api.wait(job_id)["status"] for job_id in builtin} == {"completed"}
    assert bare.stop() == 0


def test_an_agent_that_is_drained(api: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("drained", "--label", "place=cellar")
    gate = tmp_path / "gate"
    running = api.submit(NOTE, {"file": str(tmp_path / "ran"), "seconds": 600, "gate": str(gate)}, "drained")
    api.wait_for_state(running, "started")
    answer = api.post("/agent/drained/drain")
    assert (answer.status, api.agent("drained")["state"]) == (200, "Draining")
    assert_error(api.post("/agent/drained/drain"), 409)
    for target in ("drained", "place:cellar"):
        refused = api.post("/job", request("node.hostname.get", target=target))
        assert_error(refused, 409)
        assert "drain" in refused.json["error"]
    jobs = [api.submit("node.hostname.get") for _ in range(20)]
    assert {api.wait(job_id)["hostname"] for job_id in jobs} == {"agent1"}
    assert "drained" not in api.run("node.hostname.get", target="_all")["expected_agents"]
    gate.touch()
    assert api.wait(running)["status"] == "completed"  # what runs may finish
    until(lambda: api.agent("drained")["state"] == "Cordoned", "nothing runs there any more")
    assert api.post("/agent/drained/undrain").status == 200
    assert_error(api.post("/agent/drained/undrain"), 409)
    assert api.run("node.hostname.get", target="drained")["status"] == "completed"
    until(lambda: api.run("node.hostname.get")["hostname"] == "drained", "it takes work for _any again")
    assert agent.stop() == 0


def test_an_operation_that_ignores_its_timeout_is_given_up(api: Api, spare: Stack, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    data = {"file": str(tmp_path / "ran"), "seconds": 600, "gate": str(gate)}
    job = api.run("accept.deaf.do", data, "agent1", timeout_seconds=0.5)
    assert job["status"] == "failed"
    assert job["error"] == "timed out; the operation did not stop and may still be running in the agent"
    gate.touch()
    until(lambda: runs(tmp_path / "ran"), "it ends all the same")
    assert api.job(job["id"]) == job  # what it returned is dropped
    assert api.run("node.hostname.get", target="agent1")["status"] == "completed"


def test_health_counts_the_agents(api: Api) -> None:
    answer = api.get("/health/status")
    agents = answer.json["agents"]
    assert agents["live"] >= 1
    assert agents["total"] == agents["live"] + agents["offline"]
    assert sum(answer.json["status_counts"].values()) == api.total()
    assert_error(api.get("/agent/never-seen"), 404)
