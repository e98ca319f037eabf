"""Stopping and deleting jobs, as Ray and as openYuanrong word it."""

from __future__ import annotations

import pytest

from jobqueue.model.states import ExecutionState
from tests.unit.api.conftest import Ask
from tests.unit.api.ray.fakes import RayServices, an_entrypoint

S = ExecutionState


def keep(services: RayServices, state: ExecutionState, origin: str) -> str:
    job = an_entrypoint(state, origin=origin)
    services.store[job.id] = job
    return job.id


@pytest.mark.parametrize(("origin", "body"), [("ray", {"stopped": True}), ("openyuanrong", True)])
def test_stop(ask: Ask, services: RayServices, origin: str, body: object) -> None:
    job_id = keep(services, S.STARTED, origin)
    response = ask("POST", "/api/jobs/raysubmit_1/stop")
    assert (response.status_code, response.get_json()) == (200, body)
    assert services.stopped == [job_id]


@pytest.mark.parametrize(("origin", "body"), [("ray", {"stopped": False}), ("openyuanrong", False)])
def test_there_is_nothing_to_stop(ask: Ask, services: RayServices, origin: str, body: object) -> None:
    keep(services, S.COMPLETED, origin)
    response = ask("POST", "/api/jobs/raysubmit_1/stop")
    assert (response.status_code, response.get_json()) == (200, body)


@pytest.mark.parametrize(("origin", "body"), [("ray", {"deleted": True}), ("openyuanrong", True)])
def test_delete(ask: Ask, services: RayServices, origin: str, body: object) -> None:
    keep(services, S.FAILED, origin)
    response = ask("DELETE", "/api/jobs/raysubmit_1")
    assert (response.status_code, response.get_json()) == (200, body)
    assert services.store == {}


def test_what_runs_is_not_deleted(ask: Ask, services: RayServices) -> None:
    keep(services, S.STARTED, "ray")
    response = ask("DELETE", "/api/jobs/raysubmit_1")
    assert response.status_code == 409
    assert response.text == (
        "Attempted to delete job 'raysubmit_1', but it is in a non-terminal state PENDING. "
        "Stop it, and delete it when it has ended."
    )
    assert services.store


def test_what_runs_is_not_deleted_by_openyuanrong(ask: Ask, services: RayServices) -> None:
    keep(services, S.STARTED, "openyuanrong")
    response = ask("DELETE", "/api/jobs/raysubmit_1")
    assert (response.status_code, response.get_json()) == (200, False)
    assert services.store


def test_a_job_that_went_away_meanwhile(ask: Ask, services: RayServices, monkeypatch: pytest.MonkeyPatch) -> None:
    job = an_entrypoint(S.STARTED)
    monkeypatch.setattr(services.jobs, "find", lambda name: job)  # the ledger has forgotten it
    for method, path in (("POST", "/api/jobs/raysubmit_1/stop"), ("DELETE", "/api/jobs/raysubmit_1")):
        response = ask(method, path)
        assert (response.status_code, response.text) == (404, "Job raysubmit_1 does not exist")
