"""Jobs with several steps with real agents, through the command line: live, on many hosts, killed, paused, planned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

SHELL, NOTE, REPEATABLE = "command.shell.execute", "accept.note.do", "accept.repeatable.do"
UPGRADE = """
# a real upgrade would stop a service here
steps:
  - name: stop
    operation: {type: command.shell.execute, data: {command: "echo stopping on @fact.hostname"}}
  - name: patch
    operation: {type: command.shell.execute, data: {command: "test @fact.hostname != agent2 || exit 7; echo patched"}}
  - name: undo
    when: failure
    operation: {type: command.shell.execute, data: {command: echo undone}}
  - name: start
    when: always
    operation: {type: command.shell.execute, data: {command: "echo started >&2"}}
"""


@pytest.fixture
def upgrade(tmp_path: Path) -> str:
    path = tmp_path / "upgrade.yaml"
    path.write_text(UPGRADE)
    return str(path)


@pytest.fixture
def own(spare: Stack) -> Iterator[Api]:
    yield spare.api
    spare.stop_agents()


def shell(name: str, command: str, **terms: Any) -> dict[str, Any]:
    return {"name": name, "operation": {"type": SHELL, "data": {"command": command}}, **terms}


def step(name: str, of: str, data: dict[str, Any], **terms: Any) -> dict[str, Any]:
    return {"name": name, "operation": {"type": of, "data": data}, **terms}


def states(job: dict[str, Any], hostname: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in job["responses"][hostname]["data"]["steps"]}


def shown(stack: Stack, job_id: str) -> dict[str, Any]:
    """What a job says of its run, while it runs and afterwards."""
    (state,) = stack.api.job(job_id)["agent_states"].values()
    info: dict[str, Any] = state.get("info") or {}
    return {one["name"]: one["state"] for one in info.get("steps", [])}


def test_one_host_live(stack: Stack, upgrade: str) -> None:
    done = stack.run("run", "--steps", upgrade, "--on", "agent1")
    assert done.returncode == 0, done.stderr
    printed, table = done.stdout.splitlines()[:2], done.stdout.splitlines()[2:]
    assert printed == ["stopping on agent1", "patched"]
    assert [re.sub(r", [\d.]+m?s", "", line) for line in table] == [
        "stop   completed, changed",
        "patch  completed, changed",
        "undo   skipped: no step has failed",
        "start  completed, changed",
    ]
    assert "==> step 2 of 4: patch (command.shell.execute)" in done.stderr
    assert "started" in done.stderr


def test_many_hosts(stack: Stack, upgrade: str) -> None:
    done = stack.run("run", "--steps", upgrade, "--on", "_all", "--json")
    assert done.returncode == 1
    job = json.loads(done.stdout)
    assert job["title"] == "stop, patch, undo, start"
    assert states(job, "agent1") == {"stop": "completed", "patch": "completed", "undo": "skipped", "start": "completed"}
    assert states(job, "agent2") == {"stop": "completed", "patch": "failed", "undo": "completed", "start": "completed"}
    assert job["responses"]["agent2"]["error"] == "step patch failed: The command exited with code 7"
    text = stack.run("job", "show", job["id"]).stdout
    assert "agent2: failed, changed" in text
    assert re.search(r"patch +failed, changed, \S+: The command exited with code 7", text)
    assert "  stopping on agent2" in text
    oneline = stack.run("run", "--steps", upgrade, "--on", "agent1", "--on", "agent3", "--oneline").stdout
    assert re.findall(r"(agent\d) .*3 of 4 steps completed", oneline) == ["agent1", "agent3"]


def test_a_step_may_be_wrong(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    file.write_text(json.dumps({"steps": [shell("a", "true"), step("b", "node.servce.stop", {"name": "x"})]}))
    refused = stack.run("job", "submit", "--steps", str(file), "--target", "agent1")
    assert refused.returncode == 2
    assert (
        "steps.1.operation.type: Unknown operation 'node.servce.stop'. Did you mean node.service.stop" in refused.stderr
    )
    file.write_text("{}")
    refused = stack.run("run", "--steps", str(file), "--on", "agent1")
    assert "has no list of steps" in refused.stderr
    assert "leave out words" in stack.run("run", "--steps", str(file), "--on", "agent1", "true").stderr
    assert "takes the place of an operation" in stack.run("job", "submit", SHELL, "--steps", str(file)).stderr


def test_a_cancel_ends_the_running_step_and_starts_no_other(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "steps.json"
    marker = tmp_path / "cleaned"
    steps = [shell("first", "true"), shell("long", "sleep 600"), shell("clean", f"touch {marker}", when="always")]
    file.write_text(json.dumps({"steps": steps}))
    job_id = stack.run("job", "submit", "--steps", str(file), "--target", "agent1").stdout.strip()
    until(lambda: shown(stack, job_id).get("long") == "running", "the second step runs")
    assert shown(stack, job_id)["first"] == "completed"
    assert "agent1: step 2 of 3, long" in stack.run("job", "show", job_id).stdout
    assert stack.run("job", "cancel", job_id).returncode == 0
    job = stack.api.wait(job_id)
    assert job["status"] == "cancelled"
    assert shown(stack, job_id) == {"first": "completed", "long": "cancelled", "clean": "pending"}
    assert not marker.exists()


def test_a_steps_time_and_that_of_the_job(stack: Stack) -> None:
    steps = [shell("slow", "sleep 600", timeout_seconds=0.3), shell("clean", "true", when="always")]
    job = stack.api.run("steps.run", {"steps": steps}, "agent1")
    assert job["error"] == "step slow failed: timed out after 300ms"
    assert states(job, "agent1") == {"slow": "failed", "clean": "completed"}
    steps[0].pop("timeout_seconds")
    job = stack.api.run("steps.run", {"steps": steps}, "agent1", timeout_seconds=0.5)
    assert job["error"] == "step slow failed: timed out after 500ms"
    assert states(job, "agent1") == {"slow": "failed", "clean": "skipped"}


def test_a_pause_of_a_steps_operation_holds_the_job(stack: Stack) -> None:
    pause = stack.run("pause", "operation", "command.*", "--reason", "freeze", "--json")
    assert pause.returncode == 0, pause.stderr
    job_id = stack.api.submit("steps.run", {"steps": [step("a", "node.uptime.get", {}), shell("b", "true")]}, "agent1")
    free = stack.api.run("steps.run", {"steps": [step("a", "node.uptime.get", {})]}, "agent1")
    assert free["status"] == "completed"
    assert stack.api.job(job_id)["paused_by"][0]["reason"] == "freeze"
    assert stack.run("pause", "resume", json.loads(pause.stdout)["id"]).returncode == 0
    assert stack.api.wait(job_id)["status"] == "completed"


def test_a_plan_holds_the_changes_of_all_steps(stack: Stack, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    deploys = [
        step(path.name, "file.deploy.execute", {"path": str(path), "content": "new\n"}) for path in (first, second)
    ]
    file = tmp_path / "steps.json"
    file.write_text(json.dumps({"steps": deploys}))

    def check() -> tuple[str, str]:
        done = stack.run("run", "--steps", str(file), "--on", "agent1", "--check", "--json")
        job = json.loads(done.stdout)
        answer = job["responses"]["agent1"]["data"]
        assert answer["would_change"] is True
        assert answer["diff"].count("+new") == 2 - first.exists()
        text = stack.run("job", "apply", job["id"], "--plan", "0" * 12).stderr
        return job["id"], re.findall(r"[0-9a-f]{64}", text)[0]

    job_id, plan = check()
    assert not first.exists()
    first.write_text("new\n")  # the host has been changed since
    applied = stack.run("job", "apply", job_id, "--plan", plan).stdout.strip()
    assert "no longer matches the plan" in stack.api.wait(applied)["error"]
    assert not second.exists()
    job_id, plan = check()
    applied = stack.run("job", "apply", job_id, "--plan", plan).stdout.strip()
    assert stack.api.wait(applied)["status"] == "completed"
    assert second.read_text() == "new\n"


def test_an_agent_that_is_killed_in_a_step(own: Api, spare: Stack, tmp_path: Path) -> None:
    agent = spare.agent("victim")
    once, again = tmp_path / "once", tmp_path / "again"
    before = [tmp_path / f"before-{name}" for name in ("once", "again")]

    def submit(of: str, path: Path, first: Path) -> str:
        long = step("long", of, {"file": str(path), "seconds": 600})
        steps = [step("before", REPEATABLE, {"file": str(first)}), long, step("last", REPEATABLE, {"file": f"{path}2"})]
        return own.submit("steps.run", {"steps": steps}, "victim")

    lost_id = submit(NOTE, once, before[0])
    repeated_id = submit(REPEATABLE, again, before[1])
    until(lambda: once.exists() and again.exists(), "both are in their second steps")
    agent.kill()
    lost = own.wait(lost_id)
    assert (lost["agent_states"]["victim"]["status"], lost["attempts"]) == ("lost", 1)
    assert shown(spare, lost_id) == {"before": "completed", "long": "running", "last": "pending"}
    spare.agent("victim", log_name="victim-again")
    repeated = own.wait(repeated_id)
    assert (repeated["status"], repeated["attempts"]) == ("completed", 2)
    assert [len(path.read_text().splitlines()) for path in (once, again, *before)] == [1, 2, 1, 2]
    assert not Path(f"{once}2").exists()


def test_values_and_conditions(stack: Stack, tmp_path: Path) -> None:
    """The data of the last step has what earlier ones have printed, and only one host meets a condition."""
    path = tmp_path / "release.yaml"
    path.write_text(
        """
steps:
  - name: newest
    operation: {type: command.shell.execute, data: {command: "echo '{\\"version\\": \\"1.4.2; rm x\\"}'"}}
  - name: second host
    if: hostname:agent2 and step.newest.json.version:1.4.2*
    operation: {type: command.shell.execute, data: {command: "echo only here"}}
  - name: install
    operation:
      type: command.shell.execute
      data: {command: 'echo "installs $V"', env: {V: "@step.newest.json.version on @fact.hostname"}}
"""
    )
    done = stack.run("run", "--steps", str(path), "--on", "agent1,agent2", "--json")
    assert done.returncode == 0, done.stderr
    answers = {host: one["data"]["steps"] for host, one in json.loads(done.stdout)["responses"].items()}
    assert {host: [one["state"] for one in steps] for host, steps in answers.items()} == {
        "agent1": ["completed", "skipped", "completed"],
        "agent2": ["completed", "completed", "completed"],
    }
    assert answers["agent2"][2]["result"]["stdout"] == "installs 1.4.2; rm x on agent2\n"
    path.write_text(path.read_text().replace('echo "installs $V"', "echo @step.newest.stdout"))
    refused = stack.run("run", "--steps", str(path), "--on", "agent1")
    assert refused.returncode != 0
    assert "would become code" in refused.stderr
