from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

WEB1: dict[str, Any] = {
    "hostname": "web1",
    "status": "live",
    "state": "Ready",
    "labels": {"group": "web.dev"},
    "facts": {"os": {"name": "debian", "version": "12"}, "cpus": 4},
    "load": [0.5, 0.4, 0.3],
    "memory": {"total": 1024, "percent": 50.0},
    "running": 2,
    "queue_length": 3,
    "concurrency": 8,
    "last_heartbeat": "2026-01-01T00:00:00.000Z",
    "started_at": "2025-12-31T00:00:00.000Z",
    "version": "0.1.0",
    "operations": ["a.b", "c.d"],
    "conditions": ["HighLoad"],
}


def test_list(api: FakeApi, run: Run) -> None:
    offline = {**WEB1, "hostname": "db1", "status": "offline", "labels": {}, "load": [], "conditions": []}
    api.on("GET", "/agent", Reply(200, {"agents": [WEB1, offline], "total": 2}))
    head, first, second = run("agent", "list").stdout.splitlines()
    assert " ".join(head.split()) == "HOSTNAME STATUS STATE RUNNING QUEUED LOAD HEARTBEAT LABELS CONDITIONS"
    assert " ".join(first.split()) == "web1 live Ready 2 3 0.5 2026-01-01T00:00:00.000Z group=web.dev HighLoad"
    assert " ".join(second.split()) == "db1 offline - 2 3 - 2026-01-01T00:00:00.000Z - -"


def test_list_json(api: FakeApi, run: Run) -> None:
    api.on("GET", "/agent", Reply(200, {"agents": [WEB1], "total": 1}))
    assert json.loads(run("agent", "list", "--json").stdout) == {"agents": [WEB1], "total": 1}


def test_get(api: FakeApi, run: Run) -> None:
    api.on("GET", "/agent/web1", Reply(200, WEB1))
    shown = run("agent", "show", "web1").stdout
    assert "Queue length    3\n" in shown
    assert "Operations      a.b, c.d\n" in shown
    assert "Labels          group=web.dev\n" in shown
    assert "\nFacts\n  os:\n    name: debian\n    version: 12\n  cpus: 4\n" in shown
    assert json.loads(run("agent", "show", "web1", "--json").stdout) == WEB1


def test_get_unknown(api: FakeApi, run: Run) -> None:
    api.on("GET", "/agent/nope", Reply(404, {"error": "No agent 'nope' is known.", "code": 404, "details": None}))
    result = run("agent", "show", "nope")
    assert (result.exit_code, result.stderr) == (2, "Error: No agent 'nope' is known.\n")


def test_drain_and_undrain(api: FakeApi, run: Run) -> None:
    api.on("POST", "/agent/web1/drain", Reply(200, {**WEB1, "state": "Draining"}))
    api.on("POST", "/agent/web1/undrain", Reply(200, WEB1))
    result = run("agent", "drain", "web1", "gone")
    assert result.exit_code == 2
    assert result.stdout == "web1  Draining\n"
    assert result.stderr.startswith("Error: gone: ")
    assert run("agent", "undrain", "web1").stdout == "web1  Ready\n"
    assert json.loads(run("agent", "undrain", "web1", "--json").stdout) == WEB1


def test_remove(api: FakeApi, run: Run) -> None:
    api.on("DELETE", "/agent/web1", Reply(204))
    result = run("agent", "delete", "web1", "gone")
    assert (result.exit_code, result.stdout) == (2, "web1  deleted\n")
    assert result.stderr.startswith("Error: gone: ")
    assert json.loads(run("agent", "delete", "web1", "--json").stdout) == {"hostname": "web1", "removed": True}


@pytest.mark.parametrize(
    ("status", "state", "shown"),
    [("offline", "Ready", "-"), ("live", "Ready", "Ready"), ("offline", "Cordoned", "Cordoned")],
)
def test_an_offline_agent_is_not_called_ready(api: FakeApi, run: Run, status: str, state: str, shown: str) -> None:
    found = {**WEB1, "status": status, "state": state}
    api.on("GET", "/agent", Reply(200, {"agents": [found], "total": 1}))
    assert run("agent", "list").stdout.splitlines()[1].split()[:3] == ["web1", status, shown]
    assert json.loads(run("agent", "list", "--json").stdout)["agents"] == [found]


def test_list_with_filters(api: FakeApi, run: Run) -> None:
    api.on("GET", "/agent", Reply(200, {"agents": [WEB1], "total": 1, "is_least": False, "next_cursor": None}))
    options = ["--label", "group:web", "--state", "live,Ready", "--hostname", "web*", "--limit", "10"]
    result = run("agent", "list", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert api.seen[-1].query == {
        "label": "group:web",
        "state": "live,Ready",
        "hostname": "web*",
        "limit": "10",
        "view": "summary",
    }


def test_list_says_that_there_are_more(api: FakeApi, run: Run) -> None:
    page = {"agents": [WEB1], "total": 12, "is_least": False, "next_cursor": "c"}
    api.on("GET", "/agent", Reply(200, page))
    assert "1 of 12 agents; --all shows all" in run("agent", "list").stderr
    api.on("GET", "/agent", Reply(200, {**page, "is_least": True}))
    assert "1 of at least 12 agents" in run("agent", "list").stderr


def test_list_all(api: FakeApi, run: Run) -> None:
    last = {"agents": [{**WEB1, "hostname": "web2"}], "total": 2, "next_cursor": None}
    api.on("GET", "/agent", Reply(200, {"agents": [WEB1], "total": 2, "next_cursor": "c"}), Reply(200, last))
    found = json.loads(run("agent", "list", "--all", "--json").stdout)
    assert [agent["hostname"] for agent in found["agents"]] == ["web1", "web2"]
    assert [seen.query.get("cursor") for seen in api.seen] == [None, "c"]
    assert run("agent", "list", "--all", "--cursor", "c").exit_code == 2


BUNDLE: dict[str, Any] = {
    "bundle": '{"jobqueue_bundle":1}\n',
    "hostname": "web9",
    "expires_at": "2026-01-01T00:00:00.000Z",
    "sha256": "ab" * 32,
    "redis_user": "jobqueue-agent-web9",
    "redis_user_kept": True,
}


def test_bundle(api: FakeApi, run: Run) -> None:
    api.on("POST", "/agent/bundle", Reply(201, BUNDLE))
    done = run("agent", "bundle", "web9", "--expires", "2h", "--allow", "node.*", "--label", "group=web")
    assert done.stdout == BUNDLE["bundle"]  # goes into the file as it is
    assert "jobqueue agent join web9.join" in done.stderr
    assert BUNDLE["sha256"] in done.stderr
    assert "aclfile" not in done.stderr
    assert api.seen[-1].body == {
        "hostname": "web9",
        "seconds": 7200,
        "allow": ["node.*"],
        "labels": {"group": "web"},
        "replace": False,
    }


def test_bundle_with_an_address_of_ones_own(api: FakeApi, run: Run) -> None:
    api.on("POST", "/agent/bundle", Reply(201, {**BUNDLE, "redis_user": None}))
    done = run("agent", "bundle", "web9", "--redis-url-file", "-", "--replace", "--json", stdin="redis://u:p@r/0\n")
    assert json.loads(done.stdout)["redis_user"] is None
    assert api.seen[-1].body["redis_url"] == "redis://u:p@r/0"
    assert api.seen[-1].body["replace"] is True


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_bundle_with_an_address_written_on_windows(api: FakeApi, run: Run, tmp_path: Path, encoding: str) -> None:
    api.on("POST", "/agent/bundle", Reply(201, {**BUNDLE, "redis_user": None}))
    file = tmp_path / "url"
    file.write_bytes("redis://u:p@r/0\r\n".encode(encoding))
    assert run("agent", "bundle", "web9", "--redis-url-file", str(file)).exit_code == 0
    assert api.seen[-1].body["redis_url"] == "redis://u:p@r/0"


def test_bundle_says_that_the_user_is_lost_with_a_restart(api: FakeApi, run: Run) -> None:
    api.on("POST", "/agent/bundle", Reply(201, {**BUNDLE, "redis_user_kept": False}))
    assert "it has no aclfile" in run("agent", "bundle", "web9").stderr


def test_join_takes_no_address_of_the_api(run: Run) -> None:
    said = run("agent", "join", "--help").stdout
    assert "--url" not in said
    assert "--token-file" not in said


def _moves(api: FakeApi) -> list[str]:
    return [seen.path for seen in api.seen if seen.method == "POST" and seen.path.endswith("drain")]


def test_drain_of_a_target_ends_with_a_summary(api: FakeApi, run: Run) -> None:
    agents = [{**WEB1, "hostname": name} for name in ("web1", "web2", "web3", "web4")]
    api.on("GET", "/agent", Reply(200, {"agents": agents, "total": 4, "is_least": False, "next_cursor": None}))
    refused = Reply(409, {"error": "It is draining or pending.", "code": 409, "details": None})
    api.on("POST", "/agent/web1/drain", Reply(200, {**WEB1, "state": "Draining"}))
    api.on("POST", "/agent/web2/drain", refused)
    api.on("GET", "/agent/web2", Reply(200, {**WEB1, "hostname": "web2", "state": "Cordoned"}))
    api.on("POST", "/agent/web3/drain", refused)
    api.on("GET", "/agent/web3", Reply(200, {**WEB1, "hostname": "web3", "state": "Pending"}))
    result = run("agent", "drain", "--on", "group:web", "--yes")
    assert result.stdout == "web1  Draining\nweb2  Cordoned  unchanged\n"
    first, second, summary = result.stderr.splitlines()
    assert first.startswith("Error: web3: It is draining or pending.")
    assert second.startswith("Error: web4: ")  # the API knows no such agent
    assert summary == "1 drained, 1 unchanged, 2 failed."
    assert result.exit_code == 2
    assert api.seen[0].query == {"label": "group:web", "view": "summary"}


def test_undrain_of_an_expression_is_of_all_its_hosts(api: FakeApi, run: Run) -> None:
    left_out = [{"hostname": "web2", "reason": "Cordoned"}]
    api.on("POST", "/job/plan", Reply(200, {"hosts": ["web1"], "skips": [], "left_out": left_out}))
    for name in ("web1", "web2"):
        api.on("POST", f"/agent/{name}/undrain", Reply(200, {**WEB1, "hostname": name}))
    result = run("agent", "undrain", "--on", "web* and not zone:a", "--yes", "--json")
    assert (result.exit_code, result.stderr) == (0, "2 undrained, 0 unchanged, 0 failed.\n")
    assert api.seen[0].body["target_hostname"] == "web* and not zone:a"
    assert _moves(api) == ["/agent/web1/undrain", "/agent/web2/undrain"]
    assert '"outcome": "undrained"' in result.stdout


def test_draining_several_hosts_needs_a_confirmation(api: FakeApi, run: Run) -> None:
    agents = [{**WEB1, "hostname": f"web{number}"} for number in range(1, 8)]
    api.on("GET", "/agent", Reply(200, {"agents": agents, "total": 7, "is_least": False, "next_cursor": None}))
    result = run("agent", "drain", "--on", "_all")
    assert result.exit_code == 2
    assert "Drain 7 agents (web1, web2, web3, web4, web5 and 2 more): add --yes to confirm." in result.stderr
    api.on("POST", "/agent/web1/drain", Reply(200, {**WEB1, "state": "Draining"}))
    assert _moves(api) == []
    assert run("agent", "drain", "--on", "web1").exit_code == 0  # one host is no surprise


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "Name the hosts, or a target with --on."),
        (("--on", "_any"), "_any names no host before a job is submitted"),
        (("--on", "group:none"), "No agent matches group:none."),
        (("--on", "_all", "--yes"), "These are 1,001 hosts; narrow the target to 1,000 at most."),
    ],
)
def test_a_target_that_cannot_be_drained(api: FakeApi, run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    agents = [{**WEB1, "hostname": f"web{number}"} for number in range(1001)] if "_all" in arguments else []
    api.on("GET", "/agent", Reply(200, {"agents": agents, "total": 0, "is_least": False, "next_cursor": None}))
    result = run("agent", "drain", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert _moves(api) == []
