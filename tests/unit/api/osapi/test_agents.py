from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from nacl.signing import SigningKey

from api.osapi import agent_mapping
from jobqueue.ledger.agents import Agents
from jobqueue.model.agent import AgentState, Heartbeat, Registration
from jobqueue.services import Services
from jobqueue.trust.signing.certificate import fingerprint_of, public_text
from tests.unit.api.fakes import AN_AGENT
from tests.unit.api.osapi.shapes import refused
from tests.unit.api.over_a_ledger import act


def test_list(app: Flask, services: Services) -> None:
    load = Heartbeat((9.5, 0.25, 0.1), {"total": 800, "available": 300, "percent": 62.5}, 2, ("HighLoad",))
    services.agents.beat("web1", "boot", load)
    body = act(app, "agent:read").get("/api/agent").get_json()
    assert body["total"] == 3
    assert [agent["hostname"] for agent in body["agents"]] == ["db1", "web1", "web2"]
    web1 = body["agents"][1]
    assert (web1["status"], web1["state"], web1["labels"]) == ("Ready", "Ready", {"group": "web"})
    assert web1["os_info"] == {"distribution": "debian", "version": "12"}
    assert web1["load_average"] == {"1min": 9.5, "5min": 0.25, "15min": 0.1}
    assert web1["memory"] == {"total": 800, "free": 300, "used": 500}
    assert (web1["architecture"], web1["kernel_version"], web1["cpu_count"]) == ("x86_64", "6.1.0", 4)
    assert (web1["fqdn"], web1["service_mgr"], web1["package_mgr"]) == ("web1.example", "systemd", "apt")
    assert (web1["interfaces"], web1["primary_interface"]) == ([{"name": "eth0"}, {"name": "lo"}], "eth0")
    (condition,) = web1["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("HighLoad", True, "load 9.50, 4 CPUs")
    assert condition["last_transition_time"].endswith("Z")


def test_one(app: Flask) -> None:
    client = act(app, "agent:read")
    assert client.get("/api/agent/web1").get_json()["hostname"] == "web1"
    refused(client.get("/api/agent/web9"), 404, "web9")
    refused(client.get("/api/agent/we%20b"), 400, "not well formed")


def test_pages_and_filters_are_the_native_ones(app: Flask) -> None:
    client = act(app, "agent:read")
    first = client.get("/api/agent?limit=2&label=group:web").get_json()
    assert [agent["hostname"] for agent in first["agents"]] == ["web1", "web2"]
    page = client.get("/api/agent?limit=2").get_json()
    rest = client.get(f"/api/agent?limit=2&cursor={page['next_cursor']}").get_json()
    assert [agent["hostname"] for agent in rest["agents"]] == ["web2"]
    assert "limit" in refused(client.get("/api/agent?limit=0"), 400, "limit")["details"]


def test_an_agent_without_reports() -> None:
    bare = replace(AN_AGENT, live=False, facts={}, load=(), memory={}, conditions=(), timeline=(), started_at=0)
    assert agent_mapping.agent(bare) == {
        "hostname": "web1",
        "status": "NotReady",
        "state": "Ready",
        "labels": {"group": "web.dev"},
        "facts": {},
        "conditions": [],
        "timeline": [],
    }
    assert agent_mapping.agent(replace(bare, state=AgentState.REVOKED))["state"] == "Pending"


def test_conditions_without_numbers() -> None:
    bare = replace(AN_AGENT, facts={}, load=(), memory={}, conditions=("MemoryPressure", "HighLoad", "DiskPressure"))
    assert [condition["reason"] for condition in agent_mapping.conditions(bare)] == [
        "memory more than 90% used",
        "load above the threshold",
        "a file system is more than 90% full",
    ]


def test_drain_and_undrain(app: Flask) -> None:
    client = act(app, "agent:*")
    assert client.post("/api/agent/web1/drain").get_json() == {"message": "Agent web1 takes no new work."}
    assert client.get("/api/agent/web1").get_json()["state"] in ("Draining", "Cordoned")
    refused(client.post("/api/agent/web1/drain"), 409, "web1")
    assert client.post("/api/agent/web1/undrain").get_json() == {"message": "Agent web1 takes work again."}
    refused(client.post("/api/agent/web1/undrain"), 409, "web1")
    refused(client.post("/api/agent/web9/drain"), 404, "web9")


@pytest.fixture
def waiting(services: Services) -> str:
    """The fingerprint of an agent that asks to be let in."""
    key = public_text(SigningKey.generate().verify_key)
    services.agents.register(Registration("new1", "boot", {}, {}, ("node.hostname.get",), "1", 2, key, accepted=False))
    fingerprint = fingerprint_of(key)
    assert fingerprint
    return fingerprint


def test_accept(app: Flask, services: Services, waiting: str) -> None:
    client = act(app, "agent:*", kind="user")
    (pending,) = client.get("/api/agent/pending").get_json()["agents"]
    assert (pending["hostname"], pending["fingerprint"]) == ("new1", waiting)
    refused(client.post("/api/agent/new1/accept?fingerprint=abc"), 409, "another fingerprint")
    assert client.post("/api/agent/new1/accept").get_json() == {"message": "Agent new1 is accepted."}
    assert services.agents.certificate("new1")
    entries = services.audit_trail.newest(10)
    assert [(entry.content.path, entry.content.status) for entry in entries] == [
        ("/api/agent/new1/accept", 200),
        ("/api/agent/new1/accept", 409),
    ]


def test_only_pending_agents_are_accepted_and_rejected(app: Flask) -> None:
    client = act(app, "agent:*")
    for verb in ("accept", "reject"):
        refused(client.post(f"/api/agent/web1/{verb}"), 404, "No pending agent", "web1")
        refused(client.post(f"/api/agent/web9/{verb}"), 404, "web9")


def test_reject(app: Flask, services: Services, waiting: str) -> None:
    client = act(app, "agent:*", kind="user")
    refused(client.post("/api/agent/new1/reject"), 409, "stop it on its host")
    services.agents.leave("new1", "boot")
    assert client.post("/api/agent/new1/reject").get_json() == {"message": "Agent new1 is rejected."}
    assert client.get("/api/agent/pending").get_json() == {"agents": [], "total": 0}
    assert services.audit_trail.newest(1)[0].content.path == "/api/agent/new1/reject"


def test_a_change_that_cannot_be_recorded_is_not_made(
    app: Flask, services: Services, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = services.ledger
    ledger.client.xadd(ledger.keys.kind("audit"), {"x": "y"}, id="18446744073709551615-18446744073709551614")
    monkeypatch.setattr(ledger.audit, "repair", lambda: False)
    client = act(app, "agent:*", kind="user")
    refused(client.post("/api/agent/new1/accept"), 503, "audit trail")
    assert services.agents.certificate("new1") == ""
    services.agents.leave("new1", "boot")
    refused(client.post("/api/agent/new1/reject"), 503, "audit trail")
    assert services.agents.get("new1").state is AgentState.PENDING


def test_other_hosts_are_not_shown(app: Flask) -> None:
    client = act(app, "agent:*@group:web", kind="user")
    assert [agent["hostname"] for agent in client.get("/api/agent").get_json()["agents"]] == ["web1", "web2"]
    refused(client.get("/api/agent/db1"), 404, "db1")
    refused(client.post("/api/agent/db1/drain"), 404, "db1")
    refused(client.post("/api/agent/db1/reject"), 404, "db1")
    refused(client.post("/api/agent/web1/accept"), 403, "all hosts")


def test_native_routes_that_have_no_other_form_stay(app: Flask) -> None:
    client = act(app, "*", kind="user")
    assert client.post("/api/agent/invite", json={}).status_code == 201
    refused(client.delete("/api/agent/web1"), 409, "live")


def test_list_reads_a_page_whatever_the_number_of_agents(
    app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Agents) -> None:
        raise AssertionError("all agents are read")

    monkeypatch.setattr(Agents, "all", refuse)
    assert act(app, "agent:read").get("/api/agent").status_code == 200
