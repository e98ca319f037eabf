"""Plans and batches over two cells, one of which may be away."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import gate
from jobqueue.client import Client
from jobqueue.model.principal import Principal
from tests.unit.api.cells.conftest import CellSite, FrontSite
from tests.unit.api.cells.test_lists import InProcess

OPERATION = {"type": "node.hostname.get"}


def plan(front: FrontSite, target: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    """The front's plan of a job, or its refusal."""
    return front.post("/job/plan", {"operation": OPERATION, "target_hostname": target, **fields}, status)


def states(answer: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    return {cell["cell"]: (cell["status"], cell["executions"]) for cell in answer["cells"]}


def test_a_plan_has_the_hosts_of_all_cells(front: FrontSite, west: CellSite, east: CellSite) -> None:
    answer = plan(front, "_all")
    assert answer["hosts"] == ["db1", "web1", "web2"]
    assert (answer["executions"], answer["permitted"], answer["partial"]) == (3, True, False)
    assert states(answer) == {"east": ("ok", 1), "west": ("ok", 2)}
    assert (west.jobs(), east.jobs()) == ([], [])
    # what it says is what a submission does
    front.submit("_all")
    assert {host for site in (west, east) for host in site.jobs()[0]["agent_states"]} == set(answer["hosts"])


def test_a_plan_for_some_cells(front: FrontSite) -> None:
    answer = plan(front, "cell:west")
    assert (answer["hosts"], states(answer)) == (["web1", "web2"], {"east": ("empty", 0), "west": ("ok", 2)})
    answer = plan(front, "db1")
    assert (answer["hosts"], states(answer)) == (["db1"], {"east": ("ok", 1)})
    answer = plan(front, "_any")
    assert (answer["hosts"], answer["executions"]) == (["db1", "web1", "web2"], 1)
    assert "No cell has an agent for the job" in plan(front, "cell:north", 400)["error"]
    plan(front, "3 of _all", 400)
    assert "plan_hash" in plan(front, "_all", 400, plan_hash="a" * 64)["details"]


def test_what_a_cell_that_is_away_would_do_is_not_known(front: FrontSite, east: CellSite) -> None:
    front.turn()
    east.stop()
    answer = plan(front, "_all")
    assert (answer["hosts"], answer["partial"]) == (["web1", "web2"], True)
    assert states(answer) == {"east": ("unavailable", None), "west": ("ok", 2)}
    away = answer["cells"][0]
    assert away["error"].startswith("Cell east does not answer: ")
    assert away["unreachable_hosts"] == {"total": 1, "hostnames": ["db1"]}
    assert "and not all answer" in plan(front, "cell:north", 503)["error"]


def test_hosts_of_the_same_name(front: FrontSite, west: CellSite, make_site: Any) -> None:
    other = make_site("north", "web1")
    front.restart([site.address for site in (west, other)])
    assert plan(front, "_all")["hosts"] == ["web1", "web1@west", "web2"]


def test_permissions_of_a_plan(front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_one_with(site: FrontSite | CellSite, *permissions: str) -> None:
        caller = Principal("ann", frozenset(permissions))
        monkeypatch.setattr(gate.of(site.app), "authenticate", lambda _environ: caller)

    as_one_with(front, "job:write")
    plan(front, "_all", 403)
    as_one_with(front, "job:write", "agent:read")
    answer = plan(front, "_all", operation={"type": "command.shell.execute", "data": {"command": "id"}})
    assert answer["permissions"] == [
        {"permission": "job:write", "granted": True},
        {"permission": "shell:execute", "granted": False},
    ]
    assert answer["permitted"] is False


def test_a_batch(front: FrontSite, west: CellSite, east: CellSite) -> None:
    jobs: list[Any] = [
        {"operation": OPERATION, "target_hostname": "_all", "idempotency_key": "one"},
        {"operation": OPERATION, "target_hostname": "db1"},
        {"operation": {"type": "none.such"}, "target_hostname": "_all"},
        {"operation": OPERATION, "target_hostname": "cell:north"},
        5,
    ]
    answer = front.post("/job/batch", {"jobs": jobs})
    first, second, *others = answer["items"]
    assert answer["accepted"] == 2
    assert [part["state"] for part in first["cells"]] == ["created", "created"]
    assert [part["cell"] for part in second["cells"]] == ["east"]
    assert [(item["index"], item["code"]) for item in others] == [(2, 400), (3, 409), (4, 400)]
    assert (len(west.jobs()), len(east.jobs())) == (1, 2)
    again = front.post("/job/batch", {"jobs": jobs[:1]})
    assert again["items"][0]["job_id"] == first["job_id"]
    assert len(west.jobs()) == 1
    assert front.get(f"/job/{first['job_id']}")["expected_agents"] == ["db1", "web1", "web2"]
    front.post("/job/batch", {"jobs": []}, 400)


def test_a_batch_while_a_cell_is_away(front: FrontSite, west: CellSite, east: CellSite) -> None:
    east.stop()
    jobs = [{"operation": OPERATION, "target_hostname": "_all", "title": f"job {number}"} for number in range(20)]
    answer = front.post("/job/batch", {"jobs": jobs})
    assert answer["accepted"] == 20
    for item in answer["items"]:
        assert {part["cell"]: part["state"] for part in item["cells"]} == {"east": "pending", "west": "created"}
    assert [front.get(f"/job/{item['job_id']}")["title"] for item in answer["items"]] == [job["title"] for job in jobs]
    assert len(west.jobs()) == 20


def test_the_audit_trail_names_the_jobs_of_a_batch(front: FrontSite) -> None:
    answer = front.post("/job/batch", {"jobs": [{"operation": OPERATION, "target_hostname": "web1"}] * 2})
    entry = next(entry for entry in front.get("/audit")["entries"] if entry["path"] == "/job/batch")
    assert entry["details"]["jobs"] == [item["job_id"] for item in answer["items"]]
    assert (entry["details"]["accepted"], entry["result"]) == (2, "done")


def test_the_client_names_the_hosts_of_a_target(front: FrontSite) -> None:
    client = Client("http://front.test", "token")
    client._http = InProcess(front)  # type: ignore[assignment]
    assert client.plan("node.hostname.get", target="cell:west")["hosts"] == ["web1", "web2"]


ODD: tuple[dict[str, Any], ...] = ({}, {"executions": -1}, {"executions": 1, "hosts": [5]}, {"executions": True})


@pytest.mark.parametrize("odd", ODD)
def test_a_server_that_answers_something_else(front: FrontSite, monkeypatch: pytest.MonkeyPatch, odd: Any) -> None:
    cell = front.cells.by_name["east"]
    real = cell.request

    def request(method: str, path: str, **options: Any) -> Any:
        return odd if path == "/job/plan" else real(method, path, **options)

    monkeypatch.setattr(cell, "request", request)
    answer = plan(front, "_all")
    assert (answer["hosts"], answer["partial"]) == (["web1", "web2"], True)
    assert "something other than a plan" in answer["cells"][0]["error"]
