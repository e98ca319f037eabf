"""GET /job/{id}/executions, and what jobs say of executions that they leave out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState, JobStatus
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job
from tests.unit.api.shapes import error

FAILED, COMPLETED = ExecutionState.FAILED, ExecutionState.COMPLETED


@pytest.fixture
def job(services: FakeServices) -> Job:
    """A broadcast to three agents, one of which failed."""
    states = {"web1": COMPLETED, "web2": FAILED, "web3": COMPLETED}
    executions = tuple(
        Execution(host, host, state, 1, data="fine" if state is COMPLETED else None, changed=False, error=None)
        for host, state in states.items()
    )
    found = a_job(
        target="_all",
        status=JobStatus.PARTIAL_FAILURE,
        executions=executions,
        is_broadcast=True,
        counts={COMPLETED: 2, FAILED: 1},
        total=3,
        expected_agents=tuple(states),
    )
    services.store[found.id] = found
    return found


def test_pages(ask: Ask, job: Job) -> None:
    first = ask("GET", f"/job/{job.id}/executions?limit=2").get_json()
    assert [(item["hostname"], item["status"], item["data"]) for item in first["items"]] == [
        ("web1", "completed", "fine"),
        ("web2", "failed", None),
    ]
    assert (first["total"], first["execution_counts"]) == (3, {"completed": 2, "failed": 1})
    rest = ask("GET", f"/job/{job.id}/executions?limit=2&cursor={first['next_cursor']}").get_json()
    assert [item["hostname"] for item in rest["items"]] == ["web3"]
    assert rest["next_cursor"] is None


def test_by_state(ask: Ask, job: Job, services: FakeServices) -> None:
    found = ask("GET", f"/job/{job.id}/executions?state=failed,lost").get_json()
    assert ([item["hostname"] for item in found["items"]], found["total"]) == (["web2"], 1)
    assert services.execution_filters[-1].states == (FAILED, ExecutionState.LOST)


def test_groups(ask: Ask, job: Job) -> None:
    found = ask("GET", f"/job/{job.id}/executions?group=answer").get_json()
    assert found["groups"][0].keys() >= {"key", "status", "count", "hostnames", "hostnames_left_out", "data"}
    assert found["is_least"] is False
    assert "items" not in found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=101&group=answer", "limit"),
        ("state=odd", "state"),
        ("group=host", "group"),
        ("cursor=c12", "cursor"),
        ("cursor=00000000.1", "cursor"),
        ("offset=1", "offset"),
    ],
)
def test_wrong_queries(ask: Ask, job: Job, query: str, field: str) -> None:
    error(ask("GET", f"/job/{job.id}/executions?{query}"), 400, field=field)


def test_a_cursor_of_another_list(ask: Ask, job: Job, services: FakeServices) -> None:
    other = replace(job, id="223e4567-e89b-42d3-a456-426614174000")
    services.store[other.id] = other
    cursor = ask("GET", f"/job/{job.id}/executions?limit=1").get_json()["next_cursor"]
    for path in (
        f"/job/{other.id}/executions?cursor={cursor}",
        f"/job/{job.id}/executions?state=failed&cursor={cursor}",
        f"/job/{job.id}/executions?group=answer&cursor={cursor}",
    ):
        error(ask("GET", path), 400, "not a cursor of this list", field="cursor")
    error(ask("GET", f"/job?cursor={cursor}"), 400, field="cursor")


def test_unknown_job(ask: Ask) -> None:
    error(ask("GET", "/job/223e4567-e89b-42d3-a456-426614174000/executions"), 404)


def test_a_job_says_what_it_leaves_out(ask: Ask, job: Job, services: FakeServices) -> None:
    services.store[job.id] = replace(job, executions=job.executions[:2])
    found = ask("GET", f"/job/{job.id}").get_json()
    assert (found["executions_left_out"], found["execution_counts"]) == (1, {"completed": 2, "failed": 1})
    assert found["executions_url"] == f"/job/{job.id}/executions"
    assert set(found["agent_states"]) == {"web1", "web2"}
    assert found["error"].startswith("1 of 3 agents failed")
    under_api = ask("GET", f"/api/job/{job.id}").get_json()
    assert under_api["executions_url"] == f"/api/job/{job.id}/executions"
