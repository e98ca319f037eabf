"""Lists over two cells: jobs by time, agents cell by cell, and what they say of a cell that is away."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from api.auth import gate
from jobqueue.cells.cell import Cell
from jobqueue.client import Client
from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal
from tests.acceptance.support.until import until
from tests.unit.api.cells.conftest import CellSite, FrontSite


def test_jobs_of_all_cells_newest_first(front: FrontSite, west: CellSite, east: CellSite) -> None:
    submitted = [site.submit() for site in (west, east, east, west, west, east, west)]
    parent = front.submit("_all")
    parts = [part["job_id"] for part in parent["cells"]]
    page = front.get("/job?limit=100")
    assert [job["id"] for job in page["items"]][2:] == submitted[::-1]
    assert {job["id"] for job in page["items"][:2]} == set(parts)
    assert [job["parent"] for job in page["items"]] == [parent["job_id"]] * 2 + [None] * 7
    assert (page["total_items"], page["status_counts"]["submitted"], page["is_least"]) == (9, 9, False)
    assert (page["next_cursor"], page["partial"], page["pending"]) == (None, False, [])
    for limit in range(1, 10):
        assert walked(front, limit) == [job["id"] for job in page["items"]]


def walked(front: FrontSite, limit: int) -> list[str]:
    found, cursor = [], ""
    while cursor is not None:
        page = front.get(f"/job?limit={limit}&view=summary{cursor and f'&cursor={cursor}'}")
        assert len(page["items"]) <= limit
        assert page["total_items"] == 9
        found += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    return found


def test_filters_reach_the_cells(front: FrontSite, west: CellSite, east: CellSite) -> None:
    west.submit("web1", tags={"team": "web"}, title="first")
    wanted = east.submit("db1", tags={"team": "db"}, title="second")
    east.submit("_any")
    for query in ("tag=team:db", "hostname=db1", "target=db1", "q=second", "tag=team:db&status=submitted"):
        assert [job["id"] for job in front.get(f"/job?{query}")["items"]] == [wanted], query


def test_queries_that_are_refused(front: FrontSite) -> None:
    for query, name in (
        ("limit=0", "limit"),
        ("offset=1", "offset"),
        ("cursor=c123", "cursor"),
        ("status=none", "status"),
        ("cursors=true", "cursors"),
        ("no=1", "no"),
        ("cursor=W10", "cursor"),
        ("cursor=bnVsbA", "cursor"),
        ("cursor=WyJhIiwgMV0", "cursor"),
    ):
        assert name in front.get(f"/job?{query}", 400)["details"], query
    front.submit("_any")
    front.submit("_any")
    cursor = front.get("/job?limit=1")["next_cursor"]
    front.get(f"/job?limit=1&cursor={cursor}")
    assert "same filters" in front.get(f"/job?status=failed&cursor={cursor}", 400)["error"]


def test_a_cell_that_is_away_is_named_with_its_hosts(front: FrontSite, west: CellSite, east: CellSite) -> None:
    front.turn()  # notes the hosts
    job_id = west.submit()
    east.submit()
    east.stop()
    page = front.get("/job")
    assert [job["id"] for job in page["items"]] == [job_id]
    away, well = page["cells"]
    assert (away["cell"], away["status"]) == ("east", "unavailable")
    assert away["error"].startswith("Cell east does not answer: Cannot reach the jobqueue API at http://127.0.0.1:")
    assert away["unreachable_hosts"] == {"total": 1, "hostnames": ["db1"]}
    assert well == {"cell": "west", "status": "ok", "error": None, "unreachable_hosts": None}
    agents = front.get("/agent")
    assert [agent["hostname"] for agent in agents["agents"]] == ["web1", "web2"]
    assert (agents["partial"], agents["next_cursor"]) == (True, None)
    status = front.get("/health/status")
    assert (status["status"], status["components"]["cells"]["status"]) == ("failing", "unavailable")
    assert front.get("/agent/web1")["cell"] == "west"
    assert front.get("/agent/db1", 503)["details"] == {"cells": ["east"]}
    # a job for its host waits for the cell; for a host that no cell had, the answer is not known
    assert front.submit("db1")["cells"][0]["state"] == "pending"
    front.submit("db2", status=503)


def test_a_page_continues_when_a_cell_comes_back(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: Any
) -> None:
    monkeypatch.setattr("jobqueue.cells.breaker.OPEN_SECONDS", 0.0)
    submitted = [site.submit() for site in (west, east, west, east)]
    east.stop()
    first = front.get("/job?limit=1")
    assert [job["id"] for job in first["items"]] == [submitted[2]]
    east.start()
    second = front.get(f"/job?limit=10&cursor={first['next_cursor']}")
    assert [job["id"] for job in second["items"]] == [submitted[3], submitted[1], submitted[0]]
    assert second["next_cursor"] is None


def test_agents_of_all_cells(front: FrontSite) -> None:
    page = front.get("/agent")
    assert [(agent["cell"], agent["hostname"]) for agent in page["agents"]] == [
        ("east", "db1"),
        ("west", "web1"),
        ("west", "web2"),
    ]
    assert (page["total"], page["next_cursor"]) == (3, None)
    for limit in (1, 2, 3):
        found, cursor = [], ""
        while cursor is not None:
            page = front.get(f"/agent?view=summary&limit={limit}{cursor and f'&cursor={cursor}'}")
            assert page["total"] == 3
            assert len(page["agents"]) <= limit
            found += [agent["hostname"] for agent in page["agents"]]
            cursor = page["next_cursor"]
        assert found == ["db1", "web1", "web2"], limit
    assert [agent["hostname"] for agent in front.get("/agent?label=cell:west&state=live")["agents"]] == ["web1", "web2"]
    front.get("/agent?label=nonsense", 400)
    front.get("/agent?cursor=nonsense", 400)


def test_agents_of_a_cell_that_comes_back_between_two_pages(front: FrontSite, east: CellSite) -> None:
    east.stop()
    first = front.get("/agent?limit=1")
    assert [agent["hostname"] for agent in first["agents"]] == ["web1"]
    assert first["partial"]
    east.start()
    second = front.get(f"/agent?limit=1&cursor={first['next_cursor']}")
    assert [agent["hostname"] for agent in second["agents"]] == ["db1"]
    third = front.get(f"/agent?limit=1&cursor={second['next_cursor']}")
    assert [agent["hostname"] for agent in third["agents"]] == ["web2"]
    assert (third["partial"], third["next_cursor"]) == (False, None)


def test_agents_of_a_cell_that_stays_away(front: FrontSite, east: CellSite) -> None:
    east.stop()
    page = front.get("/agent")
    assert [agent["hostname"] for agent in page["agents"]] == ["web1", "web2"]
    assert (page["partial"], page["next_cursor"]) == (True, None)


def test_cells(front: FrontSite, west: CellSite, east: CellSite) -> None:
    front.turn()
    east.stop()
    assert [(cell["cell"], cell["status"], cell["agents"]) for cell in front.get("/cell")["cells"]] == [
        ("east", "unavailable", 1),
        ("west", "ok", 2),
    ]
    page = front.get("/cell/west?limit=1")
    assert (page["hostnames"], page["next_cursor"], page["url"]) == (["web1"], "1", west.address.url)
    page = front.get("/cell/west?limit=1&cursor=1")
    assert (page["hostnames"], page["next_cursor"]) == (["web2"], None)
    assert front.get("/cell/north", 404)["error"] == "There is no cell 'north'; there are east, west."
    front.get("/cell/west?cursor=-1", 400)


def test_hosts_that_a_cell_no_longer_has_are_forgotten(front: FrontSite, west: CellSite) -> None:
    front.home.ledger.cell_hosts.note("west", ["old1"], 1)
    front.turn()
    assert front.home.ledger.cell_hosts.page("west", 0, 10) == (["web1", "web2"], 2)


def test_the_hosts_of_a_large_cell_are_read_in_pages(
    front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that fails between two pages loses none of its hosts, and each page has a time limit of its own."""
    monkeypatch.setattr("jobqueue.services.cells.survey.STEP", 1)
    hosts = front.home.ledger.cell_hosts
    front.turn()
    assert hosts.page("west", 0, 10) == (["web1", "web2"], 2)
    hosts.note("west", ["old1"], 1)
    asked: list[int] = []
    ask = front.cells.ask

    def failing(call: Any, names: Any = None) -> Any:
        asked.append(len(list(names or ())))
        if len(asked) == 2:
            west.stop()
        return ask(call, names)

    with monkeypatch.context() as patch:
        patch.setattr(front.cells, "ask", failing)
        front.turn()
    assert asked == [2, 1]  # both cells; then the one with more hosts
    assert hosts.page("west", 0, 10)[1] == 3
    west.start()
    front.turn()
    assert hosts.page("west", 0, 10)[0] == ["web1", "web2"]


def test_one_process_surveys_for_all(front: FrontSite, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = front.home.ledger.cell_hosts
    assert hosts.leads_survey("another process", 30.0)
    front.turn()
    assert hosts.page("west", 0, 10) == ([], 0)
    hosts.end_survey("another process")
    front.turn()
    assert hosts.page("west", 0, 10)[1] == 2


def test_parts_do_not_wait_for_a_survey(front: FrontSite, east: CellSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A survey of large or slow cells takes minutes."""
    east.stop()
    front.submit("_all")
    east.start()
    is_surveyed, survey_begins, stops = threading.Event(), threading.Event(), threading.Event()

    def blocked(_cursors: Any, _cell: Any) -> tuple[list[str], None]:
        survey_begins.set()
        assert is_surveyed.wait(60.0)
        return [], None

    monkeypatch.setattr("jobqueue.services.cells.survey._page", blocked)
    threads = [
        threading.Thread(target=loop.run, args=(stops.wait,), daemon=True) for loop in front.front.background.values()
    ]
    for thread in threads:
        thread.start()
    try:
        assert survey_begins.wait(60.0)
        until(east.jobs, "the cell has its part")
    finally:
        is_surveyed.set()
        stops.set()
        for thread in threads:
            thread.join()


def test_pending_parts_take_one_call_for_all_cells(front: FrontSite, monkeypatch: pytest.MonkeyPatch) -> None:
    parents, calls = front.home.ledger.parents, []
    pending = parents.pending
    monkeypatch.setattr(parents, "pending", lambda *args: calls.append(args) or pending(*args))
    front.get("/job")
    assert calls == [(("east", "west"), 20)]
    front.get("/cell")
    front.ask("GET", "/metrics")
    assert len(calls) == 3


def test_a_slower_survey_does_not_make_hosts_look_older(front: FrontSite) -> None:
    hosts = front.home.ledger.cell_hosts
    hosts.note("west", ["web1"], 20)
    hosts.note("west", ["web1", "web2"], 10)  # by a process that began earlier
    hosts.drop_before("west", 20)
    assert hosts.page("west", 0, 10) == (["web1"], 1)


def test_status_and_metrics(front: FrontSite, east: CellSite) -> None:
    front.submit("_all")
    status = front.get("/health/status")
    assert status["status_counts"]["submitted"] == 2
    assert status["agents"]["total"] >= 0
    assert [cell["report"]["components"]["ledger"]["status"] for cell in status["cells"]] == ["ok", "ok"]
    east.stop()
    front.submit("_all")
    text = front.ask("GET", "/metrics").get_data(as_text=True)
    assert 'jobqueue_front_cell_up{cell="east"} 0.0' in text
    assert 'jobqueue_front_cell_up{cell="west"} 1.0' in text
    assert 'jobqueue_front_parts_pending{cell="east"} 1.0' in text
    assert 'jobqueue_front_parts_pending{cell="west"} 0.0' in text
    assert "jobqueue_redis_up 1.0" in text
    assert front.get("/health")["status"] == front.get("/health/ready")["status"] == "ok"


def test_a_token_without_a_permission_is_told_and_harms_nothing(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: Any
) -> None:
    principal = Principal("front", frozenset({"agent:read"}))
    monkeypatch.setattr(gate.of(west.app), "authenticate", lambda _environ: principal)
    job_id = east.submit()
    page = front.get("/job")
    assert [job["id"] for job in page["items"]] == [job_id]
    assert "the front's token lacks a permission there" in page["cells"][1]["error"]
    assert [agent["cell"] for agent in front.get("/agent")["agents"]] == ["east", "west", "west"]
    assert front.submit("web1", status=409)["error"].startswith("Every cell refused the job. west: Cell west: ")


def test_a_cell_that_refuses_everything_fails_no_list(
    front: FrontSite, west: CellSite, east: CellSite, monkeypatch: Any
) -> None:
    real = Cell.request

    def request(cell: Cell, method: str, path: str, **options: Any) -> Any:
        if cell.name == "east":
            raise InvalidInput("Cell east: No.")
        return real(cell, method, path, **options)

    monkeypatch.setattr(Cell, "request", request)
    job_id = front.submit("web1")["cells"][0]["job_id"]
    assert front.submit("_any")["cells"][0]["cell"] == "west"
    for path in ("/job", "/agent"):
        page = front.get(path)
        assert (page["partial"], page["cells"][0]["error"]) == (True, "Cell east: No.")
    assert front.get("/job")["items"][-1]["id"] == job_id
    assert front.get("/agent/web1")["cell"] == "west"
    monkeypatch.setattr(Cell, "request", lambda *_, **__: (_ for _ in ()).throw(InvalidInput("No.")))
    front.get("/job", 400)


def test_a_cell_of_an_older_version(front: FrontSite, west: CellSite, east: CellSite, monkeypatch: Any) -> None:
    """It does not know the parameter that a front needs."""
    real = Cell.request

    def request(cell: Cell, method: str, path: str, **options: Any) -> Any:
        if cell.name == "west" and "cursors" in (options.get("query") or {}):
            raise InvalidInput.of("cursors", "Unknown field.")
        return real(cell, method, path, **options)

    monkeypatch.setattr(Cell, "request", request)
    job_id = east.submit()
    page = front.get("/job")
    assert [job["id"] for job in page["items"]] == [job_id]
    assert page["cells"][1]["error"].endswith("is too old for a front; upgrade it.")


def test_the_client_reads_a_front_as_any_api(front: FrontSite, west: CellSite, east: CellSite) -> None:
    """All pages of jobs and agents, by the methods that follow cursors."""
    submitted = [site.submit() for site in (west, east, west)]
    client = Client("http://front.test", "token")
    client._http = InProcess(front)  # type: ignore[assignment]
    assert [job["id"] for job in client.iter_jobs(limit=1)] == submitted[::-1]
    assert [agent["hostname"] for agent in client.iter_agents()] == ["db1", "web1", "web2"]


class InProcess:
    """The client's transport, without a network."""

    def __init__(self, front: FrontSite) -> None:
        self._front = front

    def request(self, method: str, path: str, *, query: Any = None, body: Any = None, **_: Any) -> Any:
        return self._front.ask(method, path, query_string=query, json=body).get_json()
