"""Saved jobs of a front: their runs are jobs over cells."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import gate
from jobqueue.model.principal import Principal
from tests.unit.api.cells.conftest import CellSite, FrontSite

SAVED = {
    "operation": {"type": "network.ping.do", "data": {"address": "{{ host }}"}},
    "target_hostname": "_all",
    "target_override": True,
    "parameters": {"host": {"type": "string", "default": "127.0.0.1"}},
    "title": "Ping from everywhere",
    "timeout_seconds": 30,
    "tags": {"team": "net"},
}


def store(front: FrontSite, **changes: Any) -> dict[str, Any]:
    answer = front.ask("PUT", "/saved/ping", json={**SAVED, **changes})
    assert answer.status_code in (200, 201), answer.get_json()
    document: dict[str, Any] = answer.get_json()
    return document


def test_a_run_is_a_job_over_cells(front: FrontSite, west: CellSite, east: CellSite) -> None:
    store(front)
    accepted = front.post("/saved/ping/run", {"parameters": {"host": "10.0.0.1"}})
    assert {part["cell"]: part["state"] for part in accepted["cells"]} == {"east": "created", "west": "created"}
    for site in (west, east):
        (part,) = site.jobs()
        assert part["operation"] == {"type": "network.ping.do", "data": {"address": "10.0.0.1"}}
        assert (part["title"], part["timeout_seconds"], part["tags"]["team"]) == ("Ping from everywhere", 30, "net")
    job = front.get(f"/job/{accepted['job_id']}")
    assert (job["saved"], job["submitted_by"]) == ({"name": "ping", "version": 1}, "admin")
    entry = next(entry for entry in front.get("/audit")["entries"] if entry["path"] == "/saved/ping/run")
    assert (entry["details"]["job"], entry["details"]["saved"]) == (accepted["job_id"], "ping")


def test_a_run_while_a_cell_is_away(front: FrontSite, west: CellSite, east: CellSite) -> None:
    store(front)
    east.stop()
    job_id = front.post("/saved/ping/run")["job_id"]
    store(front, title="Another")  # the part that waits keeps what was submitted
    east.start()
    front.front.runner.advance(job_id)
    assert [job["title"] for job in east.jobs()] == ["Ping from everywhere"]
    assert front.get(f"/job/{job_id}")["saved"]["version"] == 1


def test_a_key_makes_one_job(front: FrontSite, west: CellSite) -> None:
    store(front)
    first = front.post("/saved/ping/run", {"idempotency_key": "once"})
    again = front.post("/saved/ping/run", {"idempotency_key": "once"}, 200)
    assert again["job_id"] == first["job_id"]
    assert len(west.jobs()) == 1
    store(front, title="Another")
    front.post("/saved/ping/run", {"idempotency_key": "once"}, 409)


def test_options_of_a_run(front: FrontSite, west: CellSite, east: CellSite) -> None:
    store(front)
    front.post("/saved/ping/run", {"target_hostname": "db1", "expires_at": "2099-01-01T00:00:00Z"})
    assert (len(west.jobs()), [job["expires_at"] for job in east.jobs()]) == (0, ["2099-01-01T00:00:00.000Z"])
    front.post("/saved/ping/run", {"parameters": {"none": 1}}, 400)
    front.post("/saved/none/run", status=404)
    store(front, rollout={"batch": 1})
    assert "counts over one cell only" in front.post("/saved/ping/run", status=400)["error"]


def test_a_plan(front: FrontSite, west: CellSite) -> None:
    store(front)
    plan = front.post("/saved/ping/plan", {"target_hostname": "cell:west"}, 200)
    assert (plan["hosts"], plan["data"]) == (["web1", "web2"], {"address": "127.0.0.1"})
    assert plan["saved"] == {"name": "ping", "version": 1}
    assert west.jobs() == []


def test_versions(front: FrontSite) -> None:
    assert store(front)["change"] == "created"
    store(front, title="Another")
    assert [version["version"] for version in front.get("/saved/ping/versions")["versions"]] == [2, 1]
    assert front.get("/saved/ping/diff")["changes"]
    assert front.post("/saved/ping/restore", {"version": 1}, 200)["saved"]["title"] == "Ping from everywhere"
    assert [saved["name"] for saved in front.get("/saved")["saved"]] == ["ping"]
    assert front.ask("DELETE", "/saved/ping").status_code == 204
    front.get("/saved/ping", 404)


def test_the_permissions_of_a_run(front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    store(front)
    for granted, status in (
        ({"saved:run"}, 403),
        ({"saved:run", "job:write"}, 403),
        ({"saved:run", "job:write", "agent:read"}, 201),
    ):
        caller = Principal("ann", frozenset(granted))
        monkeypatch.setattr(gate.of(front.app), "authenticate", lambda _environ, caller=caller: caller)
        answer = front.app.test_client().post("/saved/ping/run")
        assert answer.status_code == status, answer.get_json()
    assert len(west.jobs()) == 1
