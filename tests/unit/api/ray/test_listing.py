"""GET /api/jobs/ and GET /api/jobs: a bare list, newest first, with filters and pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState
from tests.unit.api.conftest import Ask
from tests.unit.api.ray.fakes import CREATED, RayServices, an_entrypoint

S = ExecutionState
EXAMPLE = Path(__file__).with_name("openyuanrong-list.json")


def fill(services: RayServices, *states: ExecutionState, **fields: Any) -> list[Job]:
    """Jobs in these states, oldest first."""
    jobs = [
        an_entrypoint(state, id=f"job{number}", alias=f"name{number}", created=CREATED + number, **fields)
        for number, state in enumerate(states)
    ]
    services.store |= {job.id: job for job in jobs}
    return jobs


def names(ask: Ask, query: str = "") -> list[str]:
    response = ask("GET", f"/api/jobs/{query}")
    assert response.status_code == 200, response.text
    return [item["submission_id"] for item in response.get_json()]


def test_empty(ask: Ask) -> None:
    for path in ("/api/jobs/", "/api/jobs"):
        assert ask("GET", path).get_json() == []


def test_all_jobs_newest_first(ask: Ask, services: RayServices) -> None:
    fill(services, *[S.COMPLETED] * 250)
    assert names(ask) == [f"name{number}" for number in reversed(range(250))]
    assert {wanted.limit for wanted in services.filters} == {100}  # in pages, so that other requests are not delayed


def test_no_more_than_a_thousand(ask: Ask, services: RayServices) -> None:
    fill(services, *[S.COMPLETED] * 1100)
    response = ask("GET", "/api/jobs/")
    assert len(response.get_json()) == 1000
    assert names(ask, f"?cursor={response.headers['X-Next-Cursor']}") == [f"name{n}" for n in reversed(range(100))]


def test_pages(ask: Ask, services: RayServices) -> None:
    fill(services, *[S.COMPLETED] * 5)
    assert names(ask, "?limit=2") == ["name4", "name3"]
    assert names(ask, "?limit=2&offset=1") == ["name3", "name2"]
    first = ask("GET", "/api/jobs/?limit=3")
    rest = ask("GET", f"/api/jobs/?limit=3&cursor={first.headers['X-Next-Cursor']}")
    assert [item["submission_id"] for item in rest.get_json()] == ["name1", "name0"]
    assert "X-Next-Cursor" not in rest.headers
    assert "X-Next-Cursor" not in ask("GET", "/api/jobs/?limit=5").headers


ALL = (S.SUBMITTED, S.STARTED, S.COMPLETED, S.FAILED, S.CANCELLED, S.SKIPPED, S.LOST, S.SUBMITTED)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("PENDING", ["name7", "name1", "name0"]),  # name1 was claimed, and has not said that it runs
        ("RUNNING", []),
        ("SUCCEEDED", ["name5", "name2"]),
        ("FAILED", ["name6", "name3"]),
        ("STOPPED", ["name4"]),
    ],
)
def test_by_status(ask: Ask, services: RayServices, status: str, wanted: list[str]) -> None:
    fill(services, *ALL)
    assert names(ask, f"?status={status}") == wanted
    assert names(ask, f"?status={status}&limit=1&offset=1") == wanted[1:2]


def test_what_runs(ask: Ask, services: RayServices) -> None:
    fill(services, S.STARTED, S.STARTED, execution={"info": {"phase": "running"}})
    assert names(ask, "?status=RUNNING") == ["name1", "name0"]
    assert names(ask, "?status=PENDING") == []


def test_other_filters(ask: Ask, services: RayServices) -> None:
    ask("GET", "/api/jobs/?tag=team:web&hostname=web1&operation=entrypoint.run&target=_any&created_after=2024-01-01")
    (wanted,) = services.filters
    assert (wanted.tag, wanted.hostname, wanted.operation) == (("team", "web"), "web1", "entrypoint.run")
    assert (wanted.target, wanted.created_after) == ("_any", 1_704_067_200_000_000)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("status=completed", "PENDING, RUNNING"),
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("limit=x", "whole number"),
        ("offset=10001", "cursor"),
        ("cursor=x", "cursor"),
        ("nonsense=1", "Unknown"),
        ("view=full", "Unknown"),
        ("limit=1&limit=2", "twice"),
    ],
)
def test_bad_queries(ask: Ask, query: str, word: str) -> None:
    response = ask("GET", f"/api/jobs/?{query}")
    assert (response.status_code, response.content_type) == (400, "text/plain; charset=utf-8")
    assert word in response.text


def test_openyuanrongs_fields_and_types(ask: Ask, services: RayServices) -> None:
    (documented,) = json.loads(EXAMPLE.read_text())
    info = {"phase": "running", "pid": 748250, "node_ip_address": "7.183.38.81"}
    data = {name: documented[name] for name in ("entrypoint", "metadata", "runtime_env")}
    fill(services, S.COMPLETED, data=data, execution={"info": info, "data": {"exit_code": 0}})
    (found,) = ask("GET", "/api/jobs").get_json()
    assert documented.keys() == found.keys()
    assert len(found["start_time"]) == len(documented["start_time"])  # seconds
    assert {name: type(found[name]) for name in documented} == {name: type(documented[name]) for name in documented}
    for name in ("type", "entrypoint", "status", "metadata", "runtime_env", "driver_exit_code", "error_type"):
        assert found[name] == documented[name]
    assert found["driver_info"] == documented["driver_info"] | {"id": "name0"}
