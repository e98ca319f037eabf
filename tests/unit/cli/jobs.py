"""Jobs as the API shows them, for tests to change."""

from __future__ import annotations

from typing import Any

ID = "6f1c2f8e-0000-4000-8000-000000000001"
ACCEPTED = {"job_id": ID, "status": "submitted", "revision": 1, "timestamp": "2026-01-01T00:00:00.000Z"}


def job(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A job of one agent."""
    return {
        "id": ID,
        "status": status,
        "created": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:01.500Z",
        "operation": {"type": "command.exec.execute", "data": {"argv": ["uname"]}},
        "target_hostname": "web1",
        "result": None,
        "changed": None,
        "error": None,
        "hostname": "web1",
        "attempts": 1,
        "tags": {"team": "ops"},
        "expected_agents": ["web1"],
        "responses": {},
        "agent_states": {},
        "timeline": [],
        **fields,
    }


def broadcast(status: str, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A job of many agents; ``answers`` by hostname: status, data, changed, error, duration."""
    responses = {
        hostname: {"hostname": hostname, "data": None, "changed": False, "error": None, **answer}
        for hostname, answer in answers.items()
    }
    states = {
        hostname: {"status": answer["status"], "error": answer.get("error"), "duration": answer.get("duration")}
        for hostname, answer in answers.items()
    }
    return job(status, target_hostname="_all", expected_agents=list(answers), responses=responses, agent_states=states)
