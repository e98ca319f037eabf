"""Target expressions, plans and stored targets with real agents, which verify the signed hosts themselves."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.support.stack import Stack


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("agent[1-2]", ["agent1", "agent2"]),
        ("agent1,agent3", ["agent1", "agent3"]),
        ("_all and not agent2", ["agent1", "agent3"]),
        ("cpus>=1 and os.system:linux and state:ready", ["agent1", "agent2", "agent3"]),
        ('hostname~"3$"', ["agent3"]),
    ],
)
def test_agents_run_what_names_them(stack: Stack, target: str, expected: list[str]) -> None:
    done = stack.run("run", "echo hello", "--on", target, "--json")
    assert done.returncode == 0, done.stderr
    responses = json.loads(done.stdout)["responses"]
    assert sorted(responses) == expected
    assert {answer["status"] for answer in responses.values()} == {"completed"}


def test_a_plan_runs_as_planned(stack: Stack) -> None:
    plan = json.loads(stack.run("run", "echo x", "--on", "2 of agent*", "--dry-run", "--json").stdout)
    assert len(plan["hosts"]) == 2
    submitted = stack.run(
        *("job", "submit", "command.shell.execute", "--target", "2 of agent*", "--watch", "--json"),
        *("--plan-hash", plan["plan_hash"], "--", "echo x"),
    )
    assert submitted.returncode == 0, submitted.stderr
    assert sorted(json.loads(submitted.stdout)["responses"]) == plan["hosts"]
    assert stack.run("agent", "drain", plan["hosts"][0]).returncode == 0
    refused = stack.run(
        *("job", "submit", "command.shell.execute", "--target", "2 of agent*"),
        *("--plan-hash", plan["plan_hash"], "--", "echo x"),
    )
    assert (refused.returncode, "has changed since the plan" in refused.stderr) == (2, True)
    assert stack.run("agent", "undrain", plan["hosts"][0]).returncode == 0


def test_a_stored_target(stack: Stack) -> None:
    assert stack.run("target", "set", "some", "agent1 or agent2").stdout == "@some  agent1 or agent2\n"
    assert "agent1, agent2" in stack.run("target", "show", "some").stdout
    document = json.loads(stack.run("run", "true", "--on", "@some and not agent1", "--json").stdout)
    assert list(document["responses"]) == ["agent2"]
    assert stack.run("target", "delete", "some").returncode == 0
    refused = stack.run("run", "true", "--on", "@some")
    assert (refused.returncode, "'some'" in refused.stderr) == (2, True)
