"""A job over several cells is retried as a new one, in the cells that have its hosts."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import gate
from jobqueue.ledger.executions import Claim
from jobqueue.model.principal import Principal
from jobqueue.model.states import ExecutionState
from tests.unit.api.cells.conftest import CellSite, FrontSite

FAILED = {"only": ["failed", "expired", "lost"]}


@pytest.fixture(autouse=True)
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no agents here that sign what they report; tests/acceptance has some."""
    monkeypatch.setattr("jobqueue.services.targets._DOUBTFUL", frozenset())


def fail(site: CellSite, hostname: str) -> None:
    """Run what waits for an agent, without success."""
    executions = site.services.ledger.executions
    for job in site.jobs():
        if job["agent_states"].get(hostname, {}).get("status") == "submitted":
            claim = executions.claim(job["id"], hostname, hostname, f"token-{job['id']}")
            assert isinstance(claim, Claim), claim
            executions.finish(claim, ExecutionState.FAILED, note="disk full")


def ended(front: FrontSite, west: CellSite, east: CellSite) -> str:
    """A job that failed on one of two hosts of a cell, and on none of the other."""
    job_id: str = front.submit("_all", title="upgrade", expires_at="2099-01-01T00:00:00Z")["job_id"]
    fail(west, "web2")
    west.finish("web1")
    east.finish("db1")
    front.front.runner.advance(job_id)
    assert front.get(f"/job/{job_id}")["status"] == "partial_failure"
    return job_id


def test_only_where_it_failed(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = ended(front, west, east)
    answer = front.post(f"/job/{job_id}/retry", FAILED)
    assert [(part["cell"], part["state"]) for part in answer["cells"]] == [("west", "created")]
    again = front.get(f"/job/{answer['job_id']}")
    assert (again["expected_agents"], again["retry_of"], again["title"]) == (["web2"], job_id, "upgrade")
    assert (again["target_hostname"], again["expires_at"]) == ("_all", None)
    west.finish("web2")
    assert front.get(f"/job/{answer['job_id']}")["status"] == "completed"
    assert (len(west.jobs()), len(east.jobs())) == (2, 1)
    front.front.runner.advance(answer["job_id"])
    front.post(f"/job/{answer['job_id']}/retry", FAILED, 409)  # nothing failed, in one cell


def test_on_all_hosts(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = ended(front, west, east)
    answer = front.post(f"/job/{job_id}/retry")
    assert front.get(f"/job/{answer['job_id']}")["expected_agents"] == ["db1", "web1", "web2"]
    entry = next(entry for entry in front.get("/audit")["entries"] if entry["path"] == f"/job/{job_id}/retry")
    assert (entry["result"], entry["details"]["job"]) == ("done", answer["job_id"])


def test_while_a_cell_is_away(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id: str = front.submit("_all")["job_id"]
    for hostname in ("web1", "web2"):
        fail(west, hostname)
    fail(east, "db1")
    front.front.runner.advance(job_id)
    east.stop()
    answer = front.post(f"/job/{job_id}/retry", FAILED)
    assert {part["cell"]: part["state"] for part in answer["cells"]} == {"east": "pending", "west": "created"}
    front.restart([site.address for site in (west, east)])  # another process has only the record
    east.start()
    front.front.runner.advance(answer["job_id"])
    assert front.get(f"/job/{answer['job_id']}")["expected_agents"] == ["db1", "web1", "web2"]
    assert len(east.jobs()) == 2


def test_a_part_that_its_cell_never_had(front: FrontSite, west: CellSite, east: CellSite, monkeypatch: Any) -> None:
    east.stop()
    job_id: str = front.submit("_all")["job_id"]
    west.finish("web1")
    west.finish("web2")
    monkeypatch.setattr(front.home.ledger.parents, "time", lambda: 2**52)  # its time is over
    front.front.runner.advance(job_id)
    assert {part["cell"]: part["state"] for part in front.get(f"/job/{job_id}")["cells"]}["east"] == "unreachable"
    monkeypatch.undo()
    east.start()
    answer = front.post(f"/job/{job_id}/retry", FAILED)
    assert [part["cell"] for part in answer["cells"]] == ["east"]
    assert front.get(f"/job/{answer['job_id']}")["expected_agents"] == ["db1"]


def test_what_is_refused(front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id: str = front.submit("_all")["job_id"]
    assert "has not ended" in front.post(f"/job/{job_id}/retry", FAILED, 409)["error"]
    for site, hostname in ((west, "web1"), (west, "web2"), (east, "db1")):
        site.finish(hostname)
    front.front.runner.advance(job_id)
    assert "has no execution that is failed" in front.post(f"/job/{job_id}/retry", FAILED, 409)["error"]
    front.post(f"/job/{job_id}/retry", {"target_hostname": "web1"}, 400)
    caller = Principal("ann", frozenset({"job:write"}))
    monkeypatch.setattr(gate.of(front.app), "authenticate", lambda _environ: caller)
    assert front.app.test_client().post(f"/job/{job_id}/retry").status_code == 403
    assert (len(west.jobs()), len(east.jobs())) == (1, 1)
