"""/agent, /operation and /health."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from jobqueue import __version__
from jobqueue.errors import LedgerRefuses
from jobqueue.model.agent import AgentState
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.services.redis_access import AccessTaken
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import AN_AGENT, FakeServices, a_job, away, now
from tests.unit.api.shapes import error


def test_agents(ask: Ask) -> None:
    body = ask("GET", "/agent").get_json()
    assert body["total"] == 1
    assert body["agents"] == [
        {
            "hostname": "web1",
            "status": "live",
            "state": "Ready",
            "labels": {"group": "web.dev"},
            "facts": {"os": {"name": "Debian"}},
            "load": [0.5, 0.25, 0.1],
            "memory": {"total": 8, "available": 4, "percent": 50.0},
            "running": 2,
            "queue_length": 3,
            "concurrency": 8,
            "last_heartbeat": "2024-06-14T10:00:05.123Z",
            "started_at": "2024-06-14T10:00:00.000Z",
            "version": "0.1.0",
            "operations": ["node.hostname.get"],
            "conditions": ["HighLoad"],
            "fingerprint": None,
            "timeline": [{"timestamp": "2024-06-14T10:00:00.000Z", "state": "Ready"}],
        }
    ]
    assert ask("GET", "/agent/web1").get_json() == body["agents"][0]


def test_unknown_agent(ask: Ask) -> None:
    error(ask("GET", "/agent/web9"), 404, "web9")


@pytest.mark.parametrize("hostname", ["_any", "a%20b", "a%00b", "-a", "x" * 300, "%F0%9F%98%80"])
def test_hostname_that_no_agent_can_have(ask: Ask, hostname: str) -> None:
    error(ask("GET", f"/agent/{hostname}"), 400, "not well formed")


def test_remove(ask: Ask, services: FakeServices) -> None:
    error(ask("DELETE", "/agent/web1"), 409, "web1")
    services.agents_known[:] = [replace(agent, live=False) for agent in services.agents_known]
    assert ask("DELETE", "/agent/web1").status_code == 204
    error(ask("DELETE", "/agent/web1"), 404, "web1")
    error(ask("GET", "/agent/web1"), 404, "web1")


def test_revoke_reports_the_redis_user(ask: Ask, services: FakeServices) -> None:
    note = "Until the user is removed, the agent can still connect to Redis: run `ACL DELUSER jobqueue-agent-web1`."
    asked: list[str] = []

    def take(hostname: str) -> AccessTaken:
        asked.append(hostname)
        return AccessTaken("jobqueue-agent-web1", False, note)

    services.enrolment = SimpleNamespace(revoke=lambda *_: replace(AN_AGENT, state=AgentState.REVOKED))
    services.redis_access = SimpleNamespace(take=take)
    answer = ask("POST", "/agent/web1/revoke").get_json()
    assert answer["state"] == "Revoked"
    assert answer["message"] == f"Agent web1 is revoked. {note}"
    assert answer["redis_user"] == {"name": "jobqueue-agent-web1", "removed": False, "note": note}
    assert asked == ["web1"]


def test_drain_for_a_reason(ask: Ask) -> None:
    drained = ask("POST", "/agent/web1/drain", json={"reason": "new disk"})
    assert (drained.status_code, drained.get_json()["drain_reason"]) == (200, "new disk")
    assert ask("GET", "/agent").get_json()["agents"][0]["drain_reason"] == "new disk"
    (entry,) = [x for x in ask("GET", "/audit").get_json()["entries"] if x["path"] == "/agent/web1/drain"]
    assert entry["details"]["reason"] == "new disk"
    for wrong in ({"reason": "x" * 501}, {"reason": 1}, {"reason": "two\nlines"}, {"why": "x"}, [], "text"):
        error(ask("POST", "/agent/web1/drain", json=wrong), 400)


def test_drain_and_undrain(ask: Ask) -> None:
    drained = ask("POST", "/agent/web1/drain")
    assert (drained.status_code, drained.get_json()["state"]) == (200, "Draining")
    assert drained.get_json()["message"] == "Agent web1 takes no new work."
    error(ask("POST", "/agent/web1/drain"), 409, "web1")
    assert ask("POST", "/agent/web1/undrain").get_json()["state"] == "Ready"
    error(ask("POST", "/agent/web1/undrain"), 409, "web1")
    error(ask("POST", "/agent/web9/drain"), 404, "web9")
    error(ask("GET", "/agent/web1/drain"), 405)


def test_operations(ask: Ask) -> None:
    assert ask("GET", "/operation").get_json() == {
        "operations": [
            {
                "type": "node.hostname.get",
                "summary": "The host's name",
                "schema": {"type": "object", "properties": {}},
                "changes": False,
                "idempotent": True,
                "permission": "job:read",
                "plugin": "jobqueue",
                "positional": None,
            }
        ],
        "total": 1,
    }


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/api/health"])
def test_health(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.get_json()) == (200, {"status": "ok", "version": __version__})


def test_alive_without_a_ledger(client: FlaskClient, services: FakeServices) -> None:
    services.failure = away()
    assert client.get("/health").status_code == 200


def test_not_ready_without_a_ledger(client: FlaskClient, services: FakeServices) -> None:
    services.failure = away()
    response = client.get("/health/ready")
    error(response, 503, "cannot be reached")
    assert int(response.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in response.get_data(as_text=True), "the request is unauthenticated"


def test_status(ask: Ask) -> None:
    body = ask("GET", "/health/status").get_json()
    assert (body["status"], body["version"]) == ("ok", __version__)
    assert body["components"]["api"] == {"status": "ok"}
    assert body["components"]["ledger"]["status"] == "ok"
    assert body["components"]["maintenance"] == {"status": "ok"}
    assert body["counters"] == {"claims_refused": 2, "results_refused": 0, "leases_lost": 1, "republished": 0}
    assert [alert["kind"] for alert in body["alerts"]] == ["work_refused"]
    assert body["components"]["ledger"]["latency_ms"] >= 0
    assert body["status_counts"] == {status.value: 0 for status in JobStatus}
    assert body["agents"].pop("age_seconds") >= 0
    assert body["agents"] == {"total": 1, "live": 1, "offline": 0, "running": 2, "conditions": {"HighLoad": 1}}


def test_status_counts_the_offline(ask: Ask, services: FakeServices) -> None:
    services.agents_known = [AN_AGENT, *[AN_AGENT.__class__(**{**vars(AN_AGENT), "live": False})] * 2]
    agents = ask("GET", "/health/status").get_json()["agents"]
    assert agents.pop("age_seconds") >= 0
    assert agents == {"total": 3, "live": 1, "offline": 2, "running": 2, "conditions": {"HighLoad": 1}}


def test_status_without_a_ledger(ask: Ask, services: FakeServices) -> None:
    services.failure = away()
    body = error(ask("GET", "/health/status"), 503)
    assert body["details"]["components"]["ledger"] == {"status": "unavailable"}


def test_not_ready_while_the_ledger_takes_no_writes(
    client: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        sentence = "Redis takes no writes: it is a read-only replica (READONLY)."
        raise LedgerRefuses("Redis at 10.0.0.1 is read-only", sentence=sentence)

    monkeypatch.setattr(services.ledger, "check_writes", refuse)
    response = client.get("/health/ready")
    error(response, 503, "Redis takes no writes: it is a read-only replica (READONLY).")
    assert "10.0.0.1" not in response.get_data(as_text=True)
    assert "cannot be reached" not in response.get_data(as_text=True)
    assert client.get("/health").status_code == 200


def test_failures(ask: Ask, services: FakeServices) -> None:
    failed = a_job(status=JobStatus.FAILED, updated=now())
    failed = replace(
        failed,
        executions=tuple(replace(x, state=ExecutionState.FAILED, error="exit code 3") for x in failed.executions),
    )
    services.store[failed.id] = failed
    body = ask("GET", "/failure").get_json()
    assert body["complete"] is True
    (group,) = body["items"]
    assert group["job_ids"] == [failed.id]
    assert (group["operation"], group["error"], group["executions"]) == (failed.operation, "exit code 3", 1)
    services.store[failed.id] = replace(failed, updated=now() - 10_000_000)
    assert ask("GET", "/failure?within_seconds=5").get_json()["items"] == []
    for bad in ("0", "604801", "x", "1.5"):
        error(ask("GET", f"/failure?within_seconds={bad}"), 400, field="within_seconds")
