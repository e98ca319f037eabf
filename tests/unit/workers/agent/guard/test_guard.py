"""The rules of a host's owner, and the ways around them that there must not be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidSettings, OperationNotAllowed
from jobqueue.operations.context import Context
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
from workers.agent.guard.operation_guard import OperationGuard, Permit
from workers.agent.guard.policy import LONGEST_ARGUMENT

REGISTRY = Registry.load(())
EXEC, SHELL, STEPS = "command.exec.execute", "command.shell.execute", "steps.run"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run operations as somebody else")


def guard(tmp_path: Path, *rules: dict[str, Any], **settings: Any) -> OperationGuard:
    if rules:
        path = tmp_path / "policy.json"
        path.write_text(json.dumps({"rules": rules}))
        settings["policy"] = path
    return OperationGuard.open(Settings(state_dir=tmp_path, **settings))


def is_allowed(found: OperationGuard, operation: str, data: dict[str, Any] | None = None, **facts: Any) -> bool:
    try:
        found.check(REGISTRY.get(operation), data or {}, facts)
    except OperationNotAllowed:
        return False
    return True


def test_by_default_only_what_changes_nothing_and_looks_into_no_files(tmp_path: Path) -> None:
    found = guard(tmp_path)
    allowed = {operation.type for operation in REGISTRY if is_allowed(found, operation.type)}
    assert "node.hostname.get" in allowed
    assert {"network.ping.do", "network.dns.get"} <= allowed
    allowed.remove(STEPS)  # what its steps run is decided one by one
    for operation in REGISTRY:
        looks_into_files = operation.type.startswith(("file.", "schedule.cron.", "node.log."))
        if operation.changes or looks_into_files:
            assert operation.type not in allowed, operation.type
    assert set(found.offered(REGISTRY).types()) == allowed | {STEPS}


@pytest.mark.parametrize(
    ("allow", "operation", "expected"),
    [
        (("*",), SHELL, True),
        (("command.*",), SHELL, True),
        (("command.*",), "node.load.get", False),
        (("read-only", "command.exec.*"), SHELL, False),
        (("read-only", "command.exec.*"), "node.load.get", True),
        (("read-only",), "docker.inspect.get", False),
        (("read-only",), "network.interface.list", True),
        ((), "node.load.get", False),
        (("node",), "node.load.get", False),
        (("COMMAND.*",), SHELL, False),
    ],
)
def test_the_list_of_operations(tmp_path: Path, allow: tuple[str, ...], operation: str, expected: bool) -> None:
    found = guard(tmp_path, allow=allow)
    assert is_allowed(found, operation) is expected
    assert (operation in found.offered(REGISTRY)) is expected


RESTART = {
    "operations": [EXEC],
    "effect": "allow",
    "arguments": {"argv": {"list": ["/usr/bin/systemctl", {"any": ["restart", "status"]}, "web-*"]}},
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"argv": ["/usr/bin/systemctl", "restart", "web-1"]}, True),
        ({"argv": ["/usr/bin/systemctl", "status", "web-"]}, True),
        ({"argv": ["/usr/bin/systemctl", "stop", "web-1"]}, False),
        ({"argv": ["/usr/bin/systemctl", "restart", "web-1", "sshd"]}, False),
        ({"argv": ["/usr/bin/systemctl", "restart"]}, False),
        ({"argv": ["systemctl", "restart", "web-1"]}, False),
        ({"argv": "/usr/bin/systemctl"}, False),
        ({"argv": [["/usr/bin/systemctl"], "restart", "web-1"]}, False),
        ({"argv": []}, False),
        ({}, False),
        # the same operation takes a program in another way, and an environment that makes any program another one
        ({"command": "/usr/bin/systemctl", "args": ["restart", "web-1"]}, False),
        ({"argv": ["/usr/bin/systemctl", "restart", "web-1"], "env": {"LD_PRELOAD": "/tmp/x.so"}}, False),
        ({"argv": ["/usr/bin/systemctl", "restart", "web-1"], "env": {}}, False),
        ({"argv": ["/usr/bin/systemctl", "restart", "web-1"], "cwd": "/tmp"}, False),
        # as the operation will see it
        ({"argv": ["/usr/bin/systemctl", "restart", "@fact.unit"]}, True),
        ({"argv": ["/usr/bin/systemctl", "restart", "web-" + "x" * LONGEST_ARGUMENT]}, False),
    ],
)
def test_an_allowing_rule_covers_exactly_its_arguments(tmp_path: Path, data: dict[str, Any], expected: bool) -> None:
    found = guard(tmp_path, RESTART)
    assert is_allowed(found, EXEC, data, unit="web-7") is expected
    assert EXEC in found.offered(REGISTRY)
    assert SHELL not in found.offered(REGISTRY)


def test_a_fact_is_judged_by_its_value(tmp_path: Path) -> None:
    found = guard(tmp_path, RESTART)
    assert not is_allowed(found, EXEC, {"argv": ["/usr/bin/systemctl", "restart", "@fact.unit"]}, unit="sshd")


def test_the_first_rule_that_covers_a_run_decides(tmp_path: Path) -> None:
    deny = {"operations": ["file.*"], "effect": "deny", "arguments": {"path": "/etc/*"}}
    allow = {"operations": ["file.*"], "effect": "allow"}
    assert is_allowed(guard(tmp_path, deny, allow), "file.status.get", {"path": "/srv/x"})
    assert not is_allowed(guard(tmp_path, deny, allow), "file.status.get", {"path": "/etc/passwd"})
    assert is_allowed(guard(tmp_path, allow, deny), "file.status.get", {"path": "/etc/passwd"})
    never = {"operations": ["node.*"], "effect": "deny"}
    found = guard(tmp_path, never, allow=("*",))
    assert not is_allowed(found, "node.load.get")
    assert "node.load.get" not in found.offered(REGISTRY)
    assert SHELL in found.offered(REGISTRY)


def test_patterns_inside_of_objects_and_numbers(tmp_path: Path) -> None:
    rule = {
        "operations": [EXEC],
        "effect": "allow",
        "arguments": {"argv": {"each": "safe*"}, "env": {"object": {"MODE": "dry"}}, "timeout": {"any": ["5", "1?"]}},
    }
    found = guard(tmp_path, rule)
    data = {"argv": ["safe1", "safe2"], "env": {"MODE": "dry"}, "timeout": 5}
    assert is_allowed(found, EXEC, data)
    assert not is_allowed(found, EXEC, {**data, "timeout": True})
    assert not is_allowed(found, EXEC, {**data, "env": {"MODE": "dry", "PATH": "/tmp"}})
    assert not is_allowed(found, EXEC, {**data, "argv": ["safe", "other"]})


def test_limits_of_a_rule_stand_before_those_of_the_agent(tmp_path: Path) -> None:
    rule = {"operations": [SHELL], "effect": "allow", "limits": {"cpu_seconds": 5}}
    found = guard(tmp_path, rule, limit_cpu_seconds=60, limit_open_files=100, allow=("*",))
    assert found.check(REGISTRY.get(SHELL), {}, {}).confinement.limits == ResourceLimits(None, 5, 100, None)
    assert found.check(REGISTRY.get(EXEC), {}, {}).confinement.limits == ResourceLimits(None, 60, 100, None)


@as_root
def test_whatever_works_by_itself_runs_as_the_other_user_too(tmp_path: Path) -> None:
    rule = {"operations": ["*"], "effect": "allow", "run_as": "nobody"}
    found = guard(tmp_path, rule)
    refused = set()
    for operation in REGISTRY:
        if operation.type == STEPS:
            continue  # its steps run as the other user: see below
        try:
            permit = found.check(operation, {}, {})
        except OperationNotAllowed:
            refused.add(operation.type)
            continue
        assert permit.confinement.user == "nobody"
        by_processes = operation.type.startswith(("node.package.", "node.service.", "node.hostname.", "docker."))
        named = operation.type in (EXEC, SHELL, "python.call", "ansible.module")
        assert permit.operation.isolated or named or (by_processes and operation.only_starts_processes), operation.type
    # they write files and environments, or read files and send them, as the agent
    assert refused == {"entrypoint.run", "file.fetch"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ('{"rule": []}', "unknown rule"),
        ('{"rules": [{"operations": ["*"]}]}', "rule 1: effect must be allow or deny"),
        ('{"rules": [{"operations": "*", "effect": "allow"}]}', "rule 1: operations must be a list"),
        ('{"rules": [{"operations": [], "effect": "deny"}]}', "rule 1: operations must be a list"),
        ('{"rules": [{"operations": ["*"], "effect": "allow", "argument": {}}]}', "unknown argument;"),
        ('{"rules": [{"operations": ["*"], "effect": "allow", "arguments": {"a": 5}}]}', "arguments.a must be"),
        ('{"rules": [{"operations": ["*"], "effect": "allow", "arguments": {"a": {"regex": "x"}}}]}', "'regex'"),
        (
            '{"rules": [{"operations": ["*"], "effect": "allow", "run_as": "no-such-user"}]}',
            "unknown user 'no-such-user'",
        ),
        (
            '{"rules": [{"operations": ["*"], "effect": "deny", "limits": {}}]}',
            "only valid in rules with the effect allow",
        ),
        ('{"rules": [{"operations": ["*"], "effect": "allow", "limits": {"cpu": 5}}]}', "unknown cpu"),
        ('{"rules": [{"operations": ["*"], "effect": "allow", "limits": {"cpu_seconds": 0}}]}', "whole number from 1"),
    ],
)
def test_a_policy_that_cannot_be_meant_stops_the_agent(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(InvalidSettings) as caught:
        OperationGuard.open(Settings(state_dir=tmp_path, policy=path))
    assert complaint in caught.value.message
    assert str(path) in caught.value.message


def test_a_policy_that_others_can_write_stops_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"rules": []}')
    path.chmod(0o666)
    with pytest.raises(InvalidSettings, match="chmod go-w"):
        OperationGuard.open(Settings(state_dir=tmp_path, policy=path))
    with pytest.raises(InvalidSettings, match="cannot be read"):
        OperationGuard.open(Settings(state_dir=tmp_path, policy=tmp_path / "nowhere"))


def ruled(tmp_path: Path, effect: str, wanted: Any, argv: list[str]) -> bool:
    """Whether ``argv`` runs by a policy of one rule, where everything else is as the rule does not say."""
    rule = {"operations": [EXEC], "effect": effect, "arguments": {"argv": wanted}}
    return is_allowed(guard(tmp_path, rule, allow=() if effect == "allow" else ("*",)), EXEC, {"argv": argv})


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/tmp/pub/*", "/tmp/pub/a..b/c", True),
        ("/tmp/pub/*", "/tmp/pub/../../../etc/hostname", False),
        ("/tmp/pub/*", "/tmp/pub/..", False),
        ("*", "../x", False),
        ("--file=*", "--file=../x", False),
        ("*", "/tmp/a:/tmp/../etc", False),
        ("/tmp/pub/../*", "/tmp/pub/../x", True),
        ("/tmp/../x", "/tmp/../x", True),
        ("/tmp/*", "/tmp/" + "x" * LONGEST_ARGUMENT, False),
    ],
)
def test_a_star_leads_out_of_no_folder(tmp_path: Path, pattern: str, text: str, expected: bool) -> None:
    assert ruled(tmp_path, "allow", {"list": ["/bin/cat", pattern]}, ["/bin/cat", text]) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/etc/passwd", False),
        ("//etc/passwd", False),
        ("///etc//passwd", False),
        ("/tmp/../etc/passwd", False),
        ("/./etc/./passwd", False),
        ("x" * (LONGEST_ARGUMENT + 1), False),
        ("/tmp/passwd", True),
        ("/etcetera", True),
    ],
)
def test_a_denying_rule_knows_other_spellings_of_a_path(tmp_path: Path, text: str, expected: bool) -> None:
    assert ruled(tmp_path, "deny", {"list": ["/bin/cat", "/etc/*"]}, ["/bin/cat", text]) is expected
    assert ruled(tmp_path, "deny", {"each": {"any": ["/bin/cat", "/etc/*"]}}, ["/bin/cat", text]) is expected


def permit_of(found: OperationGuard, *steps: tuple[str, dict[str, Any]], **facts: Any) -> Permit:
    data = {"steps": [{"name": f"s{n}", "operation": {"type": t, "data": d}} for n, (t, d) in enumerate(steps, 1)]}
    return found.check_run(REGISTRY.requested(STEPS, data), facts)


LOAD: tuple[str, dict[str, Any]] = ("node.load.get", {})
TRUE: tuple[str, dict[str, Any]] = (EXEC, {"argv": ["true"]})


def test_each_step_is_decided_as_if_it_came_alone(tmp_path: Path) -> None:
    found = guard(tmp_path)
    assert len(permit_of(found, LOAD, LOAD).parts) == 2
    with pytest.raises(OperationNotAllowed) as refused:
        permit_of(found, LOAD, TRUE)
    assert refused.value.message == (
        f"step 2 (s2): not allowed on this host: {EXEC} is not in JOBQUEUE_ALLOW; no step was run"
    )


def test_arguments_of_steps_are_those_that_the_operation_will_see(tmp_path: Path) -> None:
    rules = (
        {"operations": [EXEC], "effect": "allow", "arguments": {"argv": {"list": ["systemctl", "@web*"]}}},
        {"operations": ["*"], "effect": "deny"},
    )
    found = guard(tmp_path, *rules, allow=("*",))
    step = (EXEC, {"argv": ["systemctl", "@fact.service"]})
    assert permit_of(found, step, service="@web1").parts[0].operation.type == EXEC
    with pytest.raises(OperationNotAllowed):
        permit_of(found, step, service="sshd")
    with pytest.raises(OperationNotAllowed):
        permit_of(found, step, LOAD, service="@web1")  # the second rule is for each step


ECHO: tuple[str, dict[str, Any]] = (EXEC, {"argv": ["echo", "from a step"]})
USING: tuple[str, dict[str, Any]] = (EXEC, {"argv": ["ls", "@step.s1.stdout"]})


def run_steps(found: OperationGuard, printed: str, *steps: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Run steps after one that prints a text; the entries of the answer."""
    every = ((EXEC, {"argv": ["cat"], "stdin": printed}), *steps)
    data = {"steps": [{"name": f"s{n}", "operation": {"type": t, "data": d}} for n, (t, d) in enumerate(every, 1)]}
    permit = found.check_run(REGISTRY.requested(STEPS, REGISTRY.validate(STEPS, data)), {})
    outcome = run_operation(permit.operation, data, Context("web1", **permit.means()))
    entries: list[dict[str, Any]] = outcome.data["steps"]
    return entries


def test_values_of_earlier_steps_are_decided_as_the_operation_will_see_them(tmp_path: Path) -> None:
    """What a step prints must not lead another one out of what its rule allows."""
    rules = (
        {
            "operations": [EXEC],
            "effect": "allow",
            "arguments": {"argv": {"list": ["cat"]}, "stdin": {"any": ["*", "*..*"]}},
        },
        {"operations": [EXEC], "effect": "allow", "arguments": {"argv": {"list": ["ls", "/usr/*"]}}},
    )
    found = guard(tmp_path, *rules)
    assert [one["state"] for one in run_steps(found, "/usr/bin", USING)] == ["completed", "completed"]
    for hostile in ("/etc", "/usr/../etc", "-R", "@@step.s1.stdout"):
        entries = run_steps(found, hostile, USING)
        assert entries[1]["state"] == "failed"
        assert entries[1]["error"] == f"not allowed on this host: {EXEC} with this data"
    whole = (EXEC, {"argv": "@step.s1.json"})
    assert run_steps(found, '["ls", "/usr/lib"]', whole)[1]["state"] == "completed"
    assert run_steps(found, '["rm", "/usr/lib"]', whole)[1]["state"] == "failed"


def test_an_operation_that_is_never_allowed_stops_the_job_before_its_first_step(tmp_path: Path) -> None:
    rules = (
        {"operations": [SHELL], "effect": "deny"},
        {"operations": [EXEC], "effect": "allow"},
    )
    shell = (SHELL, {"command": "true", "env": {"A": "@step.s1.stdout"}})
    with pytest.raises(OperationNotAllowed, match="no step was run"):
        permit_of(guard(tmp_path, *rules), ECHO, shell)


@as_root
def test_a_step_with_values_runs_as_the_user_of_its_rule(tmp_path: Path) -> None:
    rules = (
        {
            "operations": [EXEC],
            "effect": "allow",
            "arguments": {"argv": {"list": ["id", "-un", "--"]}},
            "run_as": "nobody",
        },
        {"operations": [EXEC], "effect": "allow"},
    )
    entries = run_steps(guard(tmp_path, *rules), "--", (EXEC, {"argv": ["id", "-un", "@step.s1.stdout"]}))
    assert entries[1]["result"]["stdout"] == "nobody\n"


def test_a_host_can_refuse_jobs_with_several_steps(tmp_path: Path) -> None:
    found = guard(tmp_path, {"operations": [STEPS], "effect": "deny"}, allow=("*",))
    with pytest.raises(OperationNotAllowed, match=f"{STEPS} is denied by its policy"):
        permit_of(found, LOAD)
    assert STEPS not in found.offered(REGISTRY)


@as_root
def test_steps_run_as_the_users_of_their_rules(tmp_path: Path) -> None:
    rule = {"operations": ["command.*"], "effect": "allow", "run_as": "nobody", "limits": {"cpu_seconds": 5}}
    permit = permit_of(guard(tmp_path, rule), LOAD, TRUE)
    assert [part.confinement.user for part in permit.parts] == ["", "nobody"]
    assert permit.parts[1].confinement.limits.cpu_seconds == 5
    assert [part.operation.type for part in permit.means()["parts"]] == ["node.load.get", EXEC]


def test_a_run_is_repeatable_only_if_all_of_its_steps_are(tmp_path: Path) -> None:
    found = guard(tmp_path, allow=("*",))
    assert permit_of(found, LOAD).is_idempotent
    assert not permit_of(found, LOAD, TRUE).is_idempotent
