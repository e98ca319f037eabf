"""openYuanrong's client: told from Ray's by what it submits, and answered in its own shape.

The dataclasses are those of its published client (ray_adapter.job_submission), which takes no other fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from jobqueue.model.states import ExecutionState
from tests.unit.api.conftest import TOKEN, Ask
from tests.unit.api.ray.conftest import Submit
from tests.unit.api.ray.fakes import RayServices, an_entrypoint

S = ExecutionState


@dataclass
class StrictDriver:
    id: str = ""
    node_ip_address: str = ""
    pid: str = ""


@dataclass
class StrictJob:
    """As its documents list the fields."""

    type: Any = None
    submission_id: Any = None
    driver_info: Any = None
    status: Any = None
    entrypoint: Any = None
    error_type: Any = None
    start_time: Any = None
    end_time: Any = None
    metadata: Any = None
    runtime_env: Any = None
    driver_agent_http_address: Any = None
    driver_node_id: Any = None
    driver_exit_code: Any = None


ITS_OWN: dict[str, dict[str, Any]] = {
    "a path": {"runtime_env": {"working_dir": "/srv/app"}},
    "labels": {"labels": "pool-1"},
    "options": {"createOptions": {"a": "b"}},
    "a function": {"function_id": "f"},
    "its variables": {"runtime_env": {"envVars": '{"A": "1"}'}},
    "a line of pip": {"runtime_env": {"pip": "pip3.9 install six"}},
    "its ids": {"submission_id": "app-1"},
    "no environment": {"metadata": {}},
}
RAYS: dict[str, dict[str, Any]] = {
    "ray's client": {"runtime_env": {}, "metadata": {}},
    "an environment": {"runtime_env": {"working_dir": "file:///srv/app", "pip": ["six"]}, "metadata": {}},
    "kuberay's": {"submission_id": "rayjob-x"},
    "by hand": {},
}


@pytest.mark.parametrize("body", ITS_OWN.values(), ids=ITS_OWN)
def test_its_submissions_at_rays_path(submit: Submit, services: RayServices, body: dict[str, Any]) -> None:
    response = submit("/api/jobs/", **body)
    assert response.status_code == 200, response.text
    (wanted,) = services.submitted
    assert response.get_json() == {"submission_id": wanted.alias}
    assert (wanted.alias or "").startswith("app-")
    assert wanted.origin == "openyuanrong"


def test_a_client_that_says_who_it_is(ask: Ask) -> None:
    """By what it submits it could be Ray's."""
    response = ask(
        "POST",
        "/api/jobs/",
        json={"entrypoint": "x", "submission_id": "a", "runtime_env": {"env_vars": {"A": "1"}}},
        headers={"X-Jobqueue-Client": "openYuanrong"},
    )
    assert (response.status_code, response.get_json()) == (200, {"submission_id": "app-a"})
    assert ask("GET", "/api/jobs/x", headers={"X-Jobqueue-Client": "openyuanrong"}).get_json() == "Job x does not exist"


@pytest.mark.parametrize("body", RAYS.values(), ids=RAYS)
def test_rays_submissions(submit: Submit, services: RayServices, body: dict[str, Any]) -> None:
    found = submit("/api/jobs/", **body).get_json()
    assert found == {"job_id": found["submission_id"], "submission_id": found["submission_id"]}
    assert services.submitted[0].origin == "ray"


def test_a_path_becomes_a_uri(submit: Submit, services: RayServices) -> None:
    submit(runtime_env={"working_dir": "/srv/50% off"})
    assert services.submitted[0].data["runtime_env"] == {"working_dir": "file:///srv/50%25 off"}


@pytest.mark.parametrize(
    ("given", "name"), [("x-1", "app-x-1"), ("app-x", "app-x"), ("a" * 60, f"app-{'a' * 60}"), ("0", "app-0")]
)
def test_ids(submit: Submit, given: str, name: str) -> None:
    assert submit("/api/jobs", submission_id=given).get_json() == {"submission_id": name}


@pytest.mark.parametrize("given", ["A", "a_b", "a" * 61, "a b", "x/y", "my-driver", "ü", ""])
def test_bad_ids(submit: Submit, services: RayServices, given: str) -> None:
    response = submit("/api/jobs", submission_id=given)
    assert response.status_code in (200, 400)
    if given:
        assert response.status_code == 400
        assert response.get_json().startswith("submission_id: ")  # a JSON string
        assert services.submitted == []


def test_a_name_that_is_taken(submit: Submit) -> None:
    submit("/api/jobs", submission_id="x")
    response = submit("/api/jobs/", submission_id="app-x")
    assert response.status_code == 400
    assert "app-x already exists" in response.get_json()


def test_its_list_at_rays_path(ask: Ask, services: RayServices) -> None:
    ours = an_entrypoint(S.SUBMITTED, id="1", alias="app-1", origin="openyuanrong")
    done = an_entrypoint(S.COMPLETED, id="2", alias="app-2", origin="openyuanrong")
    services.store.update({"1": ours, "2": done})
    for entry in ask("GET", "/api/jobs/").get_json():
        job = StrictJob(**entry)
        StrictDriver(**job.driver_info)
        assert len(job.start_time) == 10  # seconds, as in its example
        assert job.end_time is None or len(job.end_time) == 10


def test_rays_jobs_in_the_same_list(ask: Ask, services: RayServices) -> None:
    services.store["1"] = an_entrypoint(S.SUBMITTED, id="1")
    (entry,) = ask("GET", "/api/jobs/").get_json()
    assert "job_id" not in entry
    StrictDriver(**entry["driver_info"])
    assert isinstance(entry["message"], str)
    assert isinstance(entry["start_time"], int)


def test_errors_are_json_strings(ask: Ask) -> None:
    response = ask("GET", "/api/jobs/app-nothing")
    assert (response.status_code, response.get_json()) == (404, "Job app-nothing does not exist")


KUBERAY = {"X-Ray-Authorization": f"Bearer {TOKEN}"}


def test_kuberay_gets_every_job_in_rays_shape(ask: Ask, services: RayServices) -> None:
    """Its client decodes times as numbers (uint64), and refuses the whole list for one that is a text."""
    services.store["1"] = an_entrypoint(S.COMPLETED, id="1", alias="app-1", origin="openyuanrong")
    (entry,) = ask("GET", "/api/jobs/", headers=KUBERAY).get_json()
    assert entry == ask("GET", "/api/jobs/app-1", headers=KUBERAY).get_json()
    assert isinstance(entry["start_time"], int)
    assert isinstance(entry["end_time"], int)
    assert {"job_id", "message"} <= entry.keys()
    assert ask("POST", "/api/jobs/app-1/stop", headers=KUBERAY).get_json() == {"stopped": False}
    missing = ask("GET", "/api/jobs/app-2", headers=KUBERAY)
    assert (missing.status_code, missing.text) == (404, "Job app-2 does not exist")


@pytest.mark.parametrize("body", ITS_OWN.values(), ids=ITS_OWN)
def test_what_kuberay_submits_is_rays(ask: Ask, services: RayServices, body: dict[str, Any]) -> None:
    response = ask("POST", "/api/jobs/", headers=KUBERAY, json={"entrypoint": "true", **body})
    assert response.status_code in (200, 400), response.text
    if response.status_code == 200:
        assert response.get_json().keys() == {"job_id", "submission_id"}
        assert services.submitted[0].origin == "ray"
