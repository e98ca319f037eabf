from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

STORED = {
    "name": "odd",
    "target": "group:web and zone:a",
    "description": "every second host",
    "changed": "2024-06-14T10:00:05.123Z",
    "changed_by": "alice",
}
PLAN = {
    "operation": "node.uptime.get",
    "target_hostname": "web*",
    "executions": 3,
    "hosts": ["web1", "web2", "web3"],
    "skips": ["web3"],
    "left_out": [{"hostname": "web4", "reason": "offline"}],
    "notes": ["No agent matches db1."],
    "permissions": [{"permission": "job:write", "granted": True}, {"permission": "x:y", "granted": False}],
    "permitted": False,
    "awaits_approval": "The job reaches 4 hosts.",
    "plan_hash": "ab" * 24,
}


def test_set(run: Run, api: FakeApi) -> None:
    api.on("PUT", "/target/odd", Reply(201, STORED))
    shown = run("target", "set", "odd", "group=web AND zone=a", "--description", "every second host").stdout
    assert shown == "@odd  group:web and zone:a\n"
    assert api.seen[-1].body == {"target": "group=web AND zone=a", "description": "every second host"}
    assert json.loads(run("target", "set", "odd", "x", "--json").stdout) == STORED


def test_list(run: Run, api: FakeApi) -> None:
    api.on("GET", "/target", Reply(200, {"targets": [STORED], "total": 1}))
    assert " ".join(run("target", "list").stdout.splitlines()[1].split()) == (
        "odd group:web and zone:a alice every second host"
    )
    assert json.loads(run("target", "list", "--json").stdout)["total"] == 1


def test_show(run: Run, api: FakeApi) -> None:
    answer = {**STORED, "hosts": ["web1", "web3"], "notes": ["No agent matches zone:a."]}
    api.on("GET", "/target/odd", Reply(200, answer), Reply(200, answer), Reply(200, {**answer, "hosts": []}))
    shown = run("target", "show", "odd").stdout
    assert "2: web1, web3" in shown
    assert "No agent matches zone:a." in shown
    assert "by alice" in shown
    assert json.loads(run("target", "show", "odd", "--json").stdout) == answer
    assert "none now" in run("target", "show", "odd").stdout


def test_delete(run: Run, api: FakeApi) -> None:
    api.on("DELETE", "/target/odd", Reply(204))
    api.on("DELETE", "/target/even", Reply(204))
    assert run("target", "delete", "odd", "even").stdout == "odd  deleted\neven  deleted\n"


def test_dry_run(run: Run, api: FakeApi) -> None:
    api.on("POST", "/job/plan", Reply(200, PLAN))
    arguments = ("job", "submit", "node.uptime.get", "--target", "web*", "--retries", "2", "--tag", "a=b", "--dry-run")
    assert run(*arguments).stdout.splitlines() == [
        "node.uptime.get on web*: 3 agents; nothing was submitted",
        "  takes it: web1, web2, web3",
        "  skips it (operation not supported): web3",
        "  left out: web4, offline",
        "  note: No agent matches db1.",
        "  refused: you lack the permission x:y",
        "  would wait for an approval: The job reaches 4 hosts.",
        f"  plan hash: {'ab' * 24}",
    ]
    assert api.seen[-1].body == {
        "operation": {"type": "node.uptime.get", "data": {}},
        "target_hostname": "web*",
        "retries": {"max_attempts": 3},
        "tags": {"a": "b"},
    }
    assert json.loads(run(*arguments, "--json").stdout) == PLAN
    assert {seen.path for seen in api.seen} == {"/job/plan"}


def test_the_batches_of_a_plan(run: Run, api: FakeApi) -> None:
    batches = [
        {"number": 1, "is_canary": True, "hosts": 1, "hostnames": ["web1"]},
        {"number": 2, "is_canary": False, "hosts": 2, "hostnames": ["web2", "web3"]},
    ]
    api.on("POST", "/job/plan", Reply(200, {**PLAN, "batches": batches}))
    shown = run("job", "submit", "node.uptime.get", "--target", "_all", "--canary", "1", "--batch", "2", "--dry-run")
    assert shown.stdout.splitlines()[4:6] == ["  batch 1 (canary): 1 host: web1", "  batch 2: 2 hosts: web2, web3"]
    assert api.seen[-1].body["rollout"] == {"canary": 1, "batch": 2}


def test_submit_what_was_planned(run: Run, api: FakeApi) -> None:
    api.on("POST", "/job", Reply(201, {"job_id": "1", "status": "submitted"}))
    run("job", "submit", "node.uptime.get", "--target", "web*", "--plan-hash", "ab" * 24)
    assert api.seen[-1].body["plan_hash"] == "ab" * 24


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["web1"], "web1"),
        (["web1", "web[2-4]", "db*", "web1"], "web1,web[2-4],db*"),
        (["group:web", "db1"], "(group:web) or (db1)"),
        (["3 of group:web", "@odd and x"], "(3 of group:web) or (@odd and x)"),
        (["_all", "web1"], "(_all) or (web1)"),
    ],
)
def test_several_targets_of_a_run_add_up(run: Run, api: FakeApi, targets: list[str], expected: str) -> None:
    api.on("POST", "/job/plan", Reply(200, PLAN))
    options = [word for target in targets for word in ("--on", target)]
    shown = run("run", "uptime", *options, "--dry-run").stdout
    assert shown.startswith("node.uptime.get on web*: 3 agents; nothing was submitted\n")
    assert api.seen[-1].body["target_hostname"] == expected
    assert api.seen[-1].body["operation"]["data"] == {"command": "uptime"}
