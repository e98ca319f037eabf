from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from jobqueue.services import Services
from tests.unit.api.osapi.shapes import refused
from tests.unit.api.over_a_ledger import act

ID = "123e4567-e89b-42d3-a456-426614174000"
JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "_all"}


def nulls(value: Any, path: str = "") -> list[str]:
    """Where a document has null, outside of what operations were given and answered."""
    if isinstance(value, dict):
        return [
            found
            for name, inner in value.items()
            if name not in ("data", "result")
            for found in ([f"{path}.{name}"] if inner is None else nulls(inner, f"{path}.{name}"))
        ]
    return [found for inner in value for found in nulls(inner, path)] if isinstance(value, list) else []


def test_without_nulls(app: Flask) -> None:
    """OSAPI's description has no null in a job."""
    client = act(app, "*", kind="user")
    job_id = client.post("/api/job", json=JOB).get_json()["job_id"]
    job = client.get(f"/api/job/{job_id}").get_json()
    assert (job["id"], job["status"], job["operation"]["type"]) == (job_id, "submitted", "node.hostname.get")
    assert set(job["agent_states"]) == {"web1", "web2", "db1"}
    assert nulls(job) in ([], [".rollout"])
    page = client.get("/api/job?limit=1&status=submitted").get_json()
    assert (page["total_items"], page["items"][0]["id"]) == (1, job_id)
    assert page["status_counts"]["submitted"] == 1
    assert nulls(page["items"]) == []


@pytest.mark.parametrize(
    "job_id", ["1", "not-a-uuid", ID[:-1], ID + "0", ID.replace("-", ""), f"{{{ID}}}", ID[:-1] + "%00", "x" * 5000]
)
def test_no_uuid(app: Flask, job_id: str) -> None:
    assert "job_id: " in refused(act(app, "job:read").get(f"/api/job/{job_id}"), 400, "UUID")["details"]


def test_unknown(app: Flask) -> None:
    refused(act(app, "job:read").get(f"/api/job/{ID}"), 404, ID)


def test_errors_of_native_routes_have_a_text_as_their_details(app: Flask) -> None:
    """OSAPI's clients send jobs to /api/job, and cannot read an object there."""
    client = act(app, "*", kind="user")
    bad = {**JOB, "operation": {"type": "node.hostname.gett"}, "priority": 99}
    assert "priority: " in refused(client.post("/api/job", json=bad), 400, "priority")["details"]
    assert isinstance(client.post("/job", json=bad).get_json()["details"], dict)
    assert refused(client.delete(f"/api/job/{ID}"), 404)["details"] == ""
    assert refused(act(app, "agent:read").get("/api/job"), 403, "job:read")["details"] == "permission: job:read"


def test_jobs_of_other_hosts_are_not_shown(app: Flask, services: Services) -> None:
    root = act(app, "*", kind="user")
    ids = [root.post("/job", json={**JOB, "target_hostname": host}).get_json()["job_id"] for host in ("web1", "db1")]
    client = act(app, "job:read@group:web", kind="user")
    assert [job["id"] for job in client.get("/api/job").get_json()["items"]] == [ids[0]]
    refused(client.get(f"/api/job/{ids[1]}"), 404, ids[1])
