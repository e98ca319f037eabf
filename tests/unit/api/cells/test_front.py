"""Jobs over two cells: broadcasts, hosts, cells that are away and come back, and a front that is killed."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import gate
from jobqueue.model.parent import PARENT_TAG, PART_TAG, Parent
from jobqueue.model.principal import Principal, system
from jobqueue.services.cells import parts
from tests.unit.api.cells.conftest import CellSite, FrontSite, MakeSite

UNKNOWN = "123e4567-e89b-12d3-a456-426614174000"


def states(document: dict[str, Any]) -> dict[str, str]:
    return {part["cell"]: part["state"] for part in document["cells"]}


def test_a_broadcast_over_two_cells(front: FrontSite, west: CellSite, east: CellSite) -> None:
    accepted = front.submit("_all", title="who is there", tags={"team": "ops"})
    assert (accepted["status"], states(accepted)) == ("submitted", {"east": "created", "west": "created"})
    assert [len(site.jobs()) for site in (west, east)] == [1, 1]
    mark = front.home.ledger.parents.mark(accepted["job_id"], "west")
    assert west.jobs()[0]["tags"] == {"team": "ops", PARENT_TAG: accepted["job_id"], PART_TAG: mark}
    west.finish("web1", "web1")
    job = front.get(f"/job/{accepted['job_id']}")
    assert (job["status"], job["title"], job["tags"]) == ("processing", "who is there", {"team": "ops"})
    assert (job["partial"], job["execution_counts"]) == (False, {"submitted": 2, "completed": 1})
    west.finish("web2", "web2")
    east.finish("db1", "db1")
    job = front.get(f"/job/{accepted['job_id']}")
    assert (job["id"], job["status"], job["changed"], job["error"]) == (accepted["job_id"], "completed", False, None)
    assert {host: answer["data"] for host, answer in job["responses"].items()} == {
        "db1": "db1",
        "web1": "web1",
        "web2": "web2",
    }
    assert job["expected_agents"] == ["db1", "web1", "web2"]
    assert job["execution_counts"] == {"completed": 3}
    times = [event["timestamp"] for event in job["timeline"]]
    assert times == sorted(times)


def test_a_label_of_one_cell(front: FrontSite, west: CellSite, east: CellSite) -> None:
    accepted = front.submit("cell:east")
    assert states(accepted) == {"east": "created", "west": "empty"}
    assert west.jobs() == []
    east.finish("db1")
    assert front.get(f"/job/{accepted['job_id']}")["status"] == "completed"


def test_no_cell_has_an_agent(front: FrontSite) -> None:
    answer = front.submit("cell:north", status=409)
    assert answer["error"].startswith("No cell has an agent for the job. east: ")
    assert set(answer["details"]["cells"]) == {"east", "west"}
    key = {"idempotency_key": "refused"}
    front.submit("cell:north", status=409, **key)
    assert front.submit("cell:east", **key)["job_id"]  # the key is free again
    assert front.home.ledger.client.zcard(front.home.ledger.keys.kind("parents_due")) == 1


def test_a_host_goes_to_its_cell(front: FrontSite, west: CellSite, east: CellSite) -> None:
    accepted = front.submit("db1")
    assert states(accepted) == {"east": "created"}
    assert west.jobs() == []
    east.finish("db1", {"name": "db1"})
    job = front.get(f"/job/{accepted['job_id']}")
    assert (job["status"], job["result"], job["hostname"]) == ("completed", {"name": "db1"}, "db1")
    answer = front.submit("db9", status=400)
    assert answer["error"].startswith("Unknown host 'db9'")


def test_any_is_sent_to_one_cell(front: FrontSite, west: CellSite, east: CellSite) -> None:
    for _ in range(4):
        assert len(front.submit("_any")["cells"]) == 1
    assert len(west.jobs()) + len(east.jobs()) == 4
    west.stop()
    assert states(front.submit("_any")) == {"east": "created"}


def test_a_host_of_two_cells(make_site: MakeSite, west: CellSite, tmp_path: Any) -> None:
    other = make_site("other", "web1")
    front = FrontSite(tmp_path / "west", [west, other])
    assert "The cells other, west each have an agent 'web1'" in front.submit("web1", status=400)["error"]
    accepted = front.submit("_all")
    other.finish("web1", "other")
    west.finish("web1", "west")
    job = front.get(f"/job/{accepted['job_id']}")
    assert {host: answer["data"] for host, answer in job["responses"].items()} == {"web1": "other", "web1@west": "west"}


def test_targets_of_one_cell(front: FrontSite) -> None:
    for target, reason in (
        ("1 of _all", "a sample would be taken in each cell"),
        ("_all and not @web", "each cell stores targets of its own"),
        (f"job:{UNKNOWN}.failed", "the hosts of a job are known to its own cell only"),
    ):
        assert reason in front.submit(target, status=400)["error"]


def test_fields_that_a_front_refuses(front: FrontSite, west: CellSite) -> None:
    fields: list[tuple[str, Any]] = [
        ("rollout", {"canary": 1}),
        ("concurrency", {"key": "deploy"}),
        ("plan_hash", "0" * 48),
        ("tags", {PARENT_TAG: UNKNOWN}),
        ("tags", {PART_TAG: "x"}),
        ("tags", {f"t{number}": "" for number in range(64)}),
        ("priority", 10),
        ("no_such_field", 1),
        ("expires_at", "2020-01-01T00:00:00Z"),
    ]
    for field, value in fields:
        assert field in front.submit("_all", status=400, **{field: value})["error"]
    assert west.jobs() == []


def test_the_same_key_is_one_job(front: FrontSite, west: CellSite) -> None:
    first = front.submit("_all", idempotency_key="once")
    assert front.submit("_all", status=200, idempotency_key="once")["job_id"] == first["job_id"]
    answer = front.submit("web1", status=409, idempotency_key="once")
    assert answer["details"] == {"job_id": first["job_id"]}
    assert len(west.jobs()) == 1


def test_a_cell_that_is_away_gets_its_part_once_when_it_is_back(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.cells.breaker.OPEN_SECONDS", 0.0)
    monkeypatch.setattr(parts, "SHORTEST", 0.0)
    monkeypatch.setattr(parts, "FIRST_SECONDS", 0.0)
    east.stop()
    accepted = front.submit("_all")
    assert states(accepted) == {"east": "pending", "west": "created"}
    assert (
        "Cell east does not answer: Cannot reach the jobqueue API at http://127.0.0.1:" in accepted["cells"][0]["error"]
    )
    west.finish("web1")
    west.finish("web2")
    job = front.get(f"/job/{accepted['job_id']}")
    assert (job["status"], job["partial"]) == ("processing", True)
    page = front.get("/job")
    assert page["partial"] is True
    assert page["pending"] == [{"cell": "east", "parts": 1, "job_ids": [accepted["job_id"]]}]
    front.front.runner.turn()  # still away
    east.start()
    while front.get(f"/job/{accepted['job_id']}")["cells"][0]["state"] == "pending":
        front.front.runner.turn()
    assert len(east.jobs()) == 1
    for _ in range(3):
        front.front.runner.turn()
    assert len(east.jobs()) == 1
    east.finish("db1")
    assert front.get(f"/job/{accepted['job_id']}")["status"] == "completed"
    assert front.get("/job")["pending"] == []


def test_a_front_that_is_killed_before_it_has_sent_the_parts(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is there; the next process sends the parts, once."""
    monkeypatch.setattr("jobqueue.services.cells.submission.FIRST_SECONDS", 0.0)

    class Killed(BaseException):
        pass

    def kill(_: str) -> None:
        raise Killed

    monkeypatch.setattr(front.front.runner, "advance", kill)
    with pytest.raises(Killed):
        front.submit("_all")
    assert west.jobs() == east.jobs() == []
    front.restart([west.address, east.address])
    (parent_id,) = front.home.ledger.parents.due(10)
    assert front.front.runner.turn() == 1
    mark = front.home.ledger.parents.mark
    assert [job["tags"] for site in (west, east) for job in site.jobs()] == [
        {PARENT_TAG: parent_id, PART_TAG: mark(parent_id, site.name)} for site in (west, east)
    ]
    west.finish("web1")
    assert front.get(f"/job/{parent_id}")["execution_counts"] == {"submitted": 2, "completed": 1}


def test_an_answer_that_was_lost_is_no_second_job(front: FrontSite, west: CellSite, east: CellSite) -> None:
    """The cell had created the part; the front did not learn it, and sends it again."""
    accepted = front.submit("_all")
    parents = front.home.ledger.parents
    parent, before = parents.find(accepted["job_id"])
    assert parent is not None
    parents.store(parent.with_parts(parts.Part(part.cell) for part in parent.parts), before, 0.0)
    again = front.front.runner.advance(parent.id)
    assert again is not None
    assert [part.job_id for part in again.parts] == [part.job_id for part in parent.parts]
    assert [len(site.jobs()) for site in (west, east)] == [1, 1]


def test_a_part_that_comes_too_late_is_unreachable(front: FrontSite, west: CellSite, east: CellSite) -> None:
    east.stop()
    accepted = front.submit("_all")
    parents = front.home.ledger.parents
    parent, before = parents.find(accepted["job_id"])
    assert parent is not None
    parents.store(parts.replace(parent, until=parent.created), before, 0.0)
    late = front.front.runner.advance(parent.id)
    assert late is not None
    assert [part.state.value for part in late.parts] == ["unreachable", "created"]
    west.finish("web1")
    west.finish("web2")
    job = front.get(f"/job/{accepted['job_id']}")
    assert job["status"] == "partial_failure"
    assert job["error"].startswith("cell east: Cell east does not answer")
    front.front.runner.advance(parent.id)
    assert parents.due(10) == []  # nothing is left to do


def test_cancel_reaches_a_cell_that_is_away_later(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.cells.breaker.OPEN_SECONDS", 0.0)
    accepted = front.submit("_all")
    path = f"/job/{accepted['job_id']}"
    east.stop()
    job = front.post(f"{path}/cancel", status=202)
    assert job["cancel_requested"] is True
    assert {entry["status"] for entry in west.jobs()} == {"cancelled"}
    assert {entry["status"] for entry in east.jobs()} == {"submitted"}
    east.start()
    front.front.runner.advance(accepted["job_id"])
    assert {entry["status"] for entry in east.jobs()} == {"cancelled"}
    assert front.get(path)["status"] == "cancelled"
    front.front.runner.advance(accepted["job_id"])
    assert front.post(f"{path}/cancel", status=409)["error"] == "The job has already ended."


def test_a_part_that_was_never_sent_is_cancelled_without_running(
    front: FrontSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.cells.breaker.OPEN_SECONDS", 0.0)
    east.stop()
    accepted = front.submit("_all")
    front.post(f"/job/{accepted['job_id']}/cancel", status=202)
    east.start()
    front.front.runner.advance(accepted["job_id"])
    assert east.jobs() == []
    assert states(front.get(f"/job/{accepted['job_id']}"))["east"] == "cancelled"


def test_a_job_that_no_cell_has_yet_cannot_be_retried(front: FrontSite, east: CellSite) -> None:
    front.turn()
    east.stop()
    job_id = front.submit("db1")["job_id"]
    answer = front.post(f"/job/{job_id}/retry", status=409)
    assert answer["error"] == f"No cell has a part of job {job_id} yet; `cells` in GET /job/{job_id} shows why."


def test_a_rollout_is_retried_in_its_cell(front: FrontSite, east: CellSite) -> None:
    """The refusal names the address there: the front cannot check the permissions of the rollout's verification."""
    job_id = east.submit("_all", rollout={"batch": 1})
    east.finish("db1")
    answer = front.post(f"/job/{job_id}/retry", status=501)
    address = f"{east.address.url}/job/{job_id}/retry"
    assert answer["error"] == f"A front does not retry rollouts; send the request to the cell: {address}"
    assert [job["id"] for job in east.jobs()] == [job_id]


def test_delete(front: FrontSite, west: CellSite, east: CellSite) -> None:
    accepted = front.submit("_all")
    path = f"/job/{accepted['job_id']}"
    assert front.ask("DELETE", path).status_code == 409
    for site, hostname in ((west, "web1"), (west, "web2"), (east, "db1")):
        site.finish(hostname)
    assert front.ask("DELETE", path).status_code == 204
    assert west.jobs() == east.jobs() == []
    front.get(path, 404)


def test_jobs_of_a_cell_itself(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = east.submit("db1")
    job = front.get(f"/job/{job_id}")
    assert (job["id"], job["cell"], job["parent"]) == (job_id, "east", None)
    assert front.get(f"/job/{job_id}/executions")["total"] == 1
    assert front.get(f"/job/{job_id}/logs")["job_id"] == job_id
    assert front.post(f"/job/{job_id}/cancel", status=202)["status"] == "cancelled"
    again = front.post(f"/job/{job_id}/retry")
    assert {job["id"] for job in east.jobs()} == {job_id, again["job_id"]}
    assert front.ask("DELETE", f"/job/{job_id}").status_code == 204


def test_an_id_that_no_cell_knows(front: FrontSite, west: CellSite) -> None:
    assert front.get(f"/job/{UNKNOWN}", 404)["error"] == f"No job has the id {UNKNOWN}."
    west.stop()
    answer = front.get(f"/job/{UNKNOWN}", 503)
    assert answer["details"] == {"cells": ["west"]}
    front.get("/job/not-a-uuid", 400)


def test_executions_of_all_parts(front: FrontSite, west: CellSite) -> None:
    path = f"/job/{front.submit('_all')['job_id']}/executions"
    west.finish("web1")
    found, cursor = [], ""
    while cursor is not None:
        page = front.get(f"{path}?limit=1{cursor and f'&cursor={cursor}'}")
        assert (page["total"], page["execution_counts"]) == (3, {"submitted": 2, "completed": 1})
        found += [item["hostname"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == ["db1", "web1", "web2"]
    assert front.get(f"{path}?state=completed")["total"] == 1
    front.get(f"{path}?group=answer", 501)
    front.get(f"{path}?cursor=nonsense", 400)


def test_a_part_that_was_deleted_in_its_cell(front: FrontSite, west: CellSite, east: CellSite) -> None:
    accepted = front.submit("_all")
    east.finish("db1")
    front.front.runner.advance(accepted["job_id"])
    part = front.get(f"/job/{accepted['job_id']}")["cells"][0]
    assert (part["cell"], part["status"]) == ("east", "completed")
    job_id = west.jobs()[0]["id"]
    for hostname in ("web1", "web2"):
        west.finish(hostname)
    west.services.jobs.delete(job_id, system("test"))
    front.front.runner.advance(accepted["job_id"])
    job = front.get(f"/job/{accepted['job_id']}")
    assert (states(job)["west"], job["status"]) == ("deleted", "partial_failure")


def test_a_part_whose_answer_was_lost_is_no_second_job_under_another_key_of_the_front(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell knows an idempotency key of the same caller only."""
    monkeypatch.setattr(parts, "FIRST_SECONDS", 0.0)
    for number in ("1", "2"):
        key = Principal("front", frozenset({"*"}), kind="key", id=number)
        for site in (west, east):
            monkeypatch.setattr(gate.of(site.app), "authenticate", lambda _environ, key=key: key)
        if number == "1":
            parent = front.home.ledger.parents.get(front.submit("_all")["job_id"])
            front.front.runner.change(parent.id, _unsent)
    again = front.front.runner.advance(parent.id)
    assert again is not None
    assert [part.job_id for part in again.parts] == [part.job_id for part in parent.parts]
    assert [len(site.jobs()) for site in (west, east)] == [1, 1]


def test_a_job_of_another_caller_is_not_taken_for_the_part_of_its_cell(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the tags of the part of another cell, which its callers can read."""
    monkeypatch.setattr("jobqueue.cells.breaker.OPEN_SECONDS", 0.0)
    monkeypatch.setattr(parts, "FIRST_SECONDS", 0.0)
    east.stop()
    parent_id = front.submit("_all")["job_id"]
    east.start()
    decoy = east.submit("_all", tags=west.jobs()[0]["tags"])
    again = front.front.runner.advance(parent_id)
    assert again is not None
    part = again.part("east")
    assert part is not None
    assert (part.state, len(east.jobs())) == (parts.PartState.CREATED, 2)
    assert part.job_id != decoy
    front.ask("POST", f"/job/{parent_id}/cancel")
    assert {job["id"]: job["status"] for job in east.jobs()} == {decoy: "submitted", part.job_id: "cancelled"}


def test_later_jobs_with_the_tags_of_a_part_are_not_taken_for_it(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller of the cell has seen the part there before the front learnt of it, and floods the list."""
    monkeypatch.setattr(parts, "FIRST_SECONDS", 0.0)
    parent = front.home.ledger.parents.get(front.submit("_all")["job_id"])
    tags = east.jobs()[0]["tags"]
    decoys = {east.submit("_all", tags=tags) for _ in range(25)}
    front.front.runner.change(parent.id, _unsent)
    again = front.front.runner.advance(parent.id)
    assert again is not None
    assert [part.job_id for part in again.parts] == [part.job_id for part in parent.parts]
    assert not decoys & {part.job_id for part in again.parts}


def test_a_part_that_was_created_while_the_job_was_cancelled_is_cancelled_too(
    front: FrontSite, west: CellSite, east: CellSite
) -> None:
    """One process had asked the cell for the part just before another one's request created it."""
    runner = front.front.runner
    for is_created_first in (True, False):
        parent = front.home.ledger.parents.get(front.submit("_all")["job_id"])
        begun = {part.cell: parts.Part(part.cell) for part in parent.parts}
        created = {part.cell: part for part in parent.parts}
        cancelled = {cell: parts.replace(part, state=parts.PartState.CANCELLED) for cell, part in begun.items()}
        runner.change(parent.id, lambda present: parts.replace(_unsent(present), cancelled_by="by ann"))
        for moved in (created, cancelled) if is_created_first else (cancelled, created):
            runner._stored(parent.id, begun, moved)
        runner.advance(parent.id)
        job = front.get(f"/job/{parent.id}")
        assert states(job) == {"east": "created", "west": "created"}
        assert job["status"] == "cancelled"
        assert {entry["status"] for entry in (*west.jobs(), *east.jobs())} == {"cancelled"}


def test_a_parent_that_cannot_be_examined_does_not_hold_up_others(
    front: FrontSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, real = front.front.runner, front.front.runner.advance
    ids = [front.submit("_all")["job_id"] for _ in range(2)]
    for seconds, parent_id in zip((-2.0, -1.0), ids, strict=True):
        front.home.ledger.parents.postpone(parent_id, seconds)
    examined: list[str] = []

    def advance(parent_id: str) -> Any:
        examined.append(parent_id)
        if parent_id == ids[0]:
            raise TypeError("unhashable type: 'list'")
        return real(parent_id)

    monkeypatch.setattr(runner, "advance", advance)
    runner.turn()
    assert examined == ids
    assert ids[0] not in front.home.ledger.parents.due(10)  # it is examined later


def _unsent(parent: Parent) -> Parent:
    """The parent as it was before its cells answered."""
    return parent.with_parts(parts.Part(part.cell) for part in parent.parts)
