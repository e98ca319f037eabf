"""What `run` says about hosts of the target that were offline or drained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, job
from tests.unit.client.fake_api import FakeApi, Reply


def ended(target: str, hosts: list[str], **fields: Any) -> dict[str, Any]:
    states = {host: {"status": "completed"} for host in hosts}
    return job("completed", target_hostname=target, expected_agents=hosts, agent_states=states, **fields)


def agents(*states: str, first: int = 0, total: int | None = None) -> Reply:
    items = [{"hostname": f"h{number}", "state": state} for number, state in enumerate(states, first)]
    return Reply(200, {"agents": items, "total": len(items) if total is None else total, "next_cursor": None})


@pytest.fixture
def said(api: FakeApi, run: Run) -> Any:
    def left_out(answer: dict[str, Any], target: str) -> str:
        api.on("POST", "/job", Reply(201, ACCEPTED))
        api.on("GET", f"/job/{ID}", Reply(200, answer))
        result = run("run", "true", "--on", target, "--oneline")
        assert result.exit_code == 0, result.stderr
        return "".join(line for line in result.stderr.splitlines() if line.startswith("Left out"))

    return left_out


def test_hosts_of_a_list(said: Any) -> None:
    assert said(ended("web1, db1,db2", ["web1"]), "web1, db1,db2") == "Left out, as offline or drained: db1, db2"
    assert said(ended("web1,db1", ["db1", "web1"]), "web1,db1") == ""


def test_agents_of_a_label(said: Any, api: FakeApi) -> None:
    api.on("GET", "/agent", agents("Ready", "Draining"), agents("Draining", first=2))
    assert said(ended("group:web", ["web1"]), "group:web") == "Left out, as offline or drained: h0, h1, h2"
    assert [request.query for request in api.seen if request.path == "/agent"] == [
        {"label": "group:web", "state": state, "view": "summary", "limit": "100"}
        for state in ("offline", "live,Draining,Cordoned")
    ]


def test_all_agents_of_the_fleet(said: Any, api: FakeApi) -> None:
    """Without those that were revoked, or have not been accepted."""
    api.on("GET", "/agent", agents("Revoked", "Ready", "Pending"), agents())
    assert said(ended("_all", ["web1"]), "_all") == "Left out, as offline or drained: h1"
    api.on("GET", "/agent", agents(*["Ready"] * 100, total=130), agents())
    assert (
        said(ended("_all", ["web1"]), "_all") == "Left out, as offline or drained: h0, h1, h10, h11, h12 and 125 more"
    )


@pytest.mark.parametrize("target", ["web1", "_any", "10% of group:web", "os:debian", "web[1-3]"])
def test_targets_whose_members_only_the_api_knows(said: Any, api: FakeApi, target: str) -> None:
    assert said(ended(target, ["web1"]), target) == ""
    assert [request.path for request in api.seen if request.path == "/agent"] == []


def test_a_job_that_waits_for_offline_hosts(said: Any) -> None:
    assert said(ended("web1,db1", ["web1"], expires_at="2030-01-01T00:00:00Z"), "web1,db1") == ""


def test_a_caller_who_may_not_see_agents(said: Any, api: FakeApi) -> None:
    api.on("GET", "/agent", Reply(403, {"error": "You lack agent:read."}))
    assert said(ended("_all", ["web1"]), "_all") == ""
