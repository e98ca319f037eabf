"""POST /api/jobs/ and POST /api/jobs: what is taken, what it becomes, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from jobqueue.errors import NoLiveAgent
from jobqueue.model.needs import Needs
from jobqueue.model.selector import Selector
from tests.unit.api.conftest import Ask
from tests.unit.api.ray.conftest import Submit
from tests.unit.api.ray.fakes import AGENTS, PACKAGE, RayServices


def test_the_answer_is_exactly_what_rays_client_takes(submit: Submit, services: RayServices) -> None:
    response = submit(submission_id="my job")
    assert response.status_code == 200
    assert response.get_json() == {"job_id": "my job", "submission_id": "my job"}
    (wanted,) = services.submitted
    assert (wanted.operation, wanted.data, wanted.alias) == ("entrypoint.run", {"entrypoint": "echo hi"}, "my job")
    assert (wanted.target, wanted.among, wanted.origin, wanted.submitted_by) == ("_any", (), "ray", "admin")


def test_an_id_is_made_where_none_is_given(submit: Submit) -> None:
    found = submit().get_json()
    assert re.fullmatch(r"raysubmit_\w{16}", found["submission_id"])
    assert found["job_id"] == found["submission_id"]


def test_the_old_name_of_the_id(submit: Submit) -> None:
    assert submit(job_id="old").get_json()["submission_id"] == "old"
    assert submit(job_id="same", submission_id="same").status_code == 200
    assert submit(job_id="one", submission_id="other").status_code == 400


def test_everything_that_the_client_sends(submit: Submit, services: RayServices) -> None:
    services.stored_packages[PACKAGE] = b"zip"
    environment = {
        "env_vars": {"A": "1"},
        "working_dir": f"gcs://{PACKAGE}",
        "pip": {"packages": ["six"], "pip_check": False},
        "_ray_commit": "abc",
        "config": {"setup_timeout_seconds": 30, "eager_install": True, "log_files": []},
    }
    response = submit(
        runtime_env=environment,
        metadata={"team": "web", "a:b": "no tag", "long": "x" * 300},
        entrypoint_num_cpus=0.5,
        entrypoint_memory=100,
        entrypoint_num_gpus=0,
        entrypoint_resources={},
        entrypoint_label_selector={"zone": "in(a, b)"},
    )
    assert response.status_code == 200, response.text
    (wanted,) = services.submitted
    assert wanted.data == {
        "entrypoint": "echo hi",
        "runtime_env": environment,
        "packages": services.package_resolver([PACKAGE]),
        "metadata": {"team": "web", "a:b": "no tag", "long": "x" * 300},
        "num_cpus": 0.5,
        "memory": 100,
    }
    assert wanted.among == ("web1", "web2")
    assert wanted.tags == {"team": "web"}  # what cannot be a tag is metadata all the same


def test_null_is_as_if_it_were_not_there(submit: Submit, services: RayServices) -> None:
    assert submit(submission_id=None, runtime_env=None, entrypoint_num_gpus=None, newer_option=None).status_code == 200
    assert services.submitted[0].data == {"entrypoint": "echo hi"}


@pytest.mark.parametrize(
    ("needs", "hosts"),
    [
        ({"entrypoint_label_selector": {"zone": "a"}}, ("web1",)),
        ({"entrypoint_label_selector": {"zone": "!a"}}, ("web2",)),
        ({"entrypoint_label_selector": {"disk": "!in(hdd,tape)"}}, ("web1", "web2")),
        ({"entrypoint_label_selector": {"ray.io/node-id": "web2"}}, ("web2",)),
        ({"entrypoint_num_cpus": 4}, ("web2",)),
        ({"entrypoint_memory": 2000}, ("web2",)),
    ],
)
def test_placement(submit: Submit, services: RayServices, needs: dict[str, Any], hosts: tuple[str, ...]) -> None:
    assert submit(**needs).status_code == 200
    assert services.submitted[0].among == hosts


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"entrypoint_label_selector": {"zone": "c"}}, Needs((Selector.parse("zone", "c"),))),
        ({"entrypoint_num_cpus": 9}, Needs(num_cpus=9)),
        ({"entrypoint_memory": 5000}, Needs(memory=5000)),
        ({"entrypoint_resources": {"tpu": 2.5, "none": 0}}, Needs(resources=(("tpu", 2.5),))),
    ],
)
def test_what_no_agent_has_is_waited_for(
    submit: Submit, services: RayServices, fields: dict[str, Any], needs: Needs
) -> None:
    assert submit(**fields).status_code == 200
    (wanted,) = services.submitted
    assert (wanted.among, wanted.needs) == ((), needs)


def test_a_custom_resource_is_a_label_that_is_a_number(submit: Submit, services: RayServices) -> None:
    services.agents_known[1] = replace(AGENTS[1], labels={"tpu": "4"})
    assert submit(entrypoint_resources={"tpu": 4}).status_code == 200
    (wanted,) = services.submitted
    assert (wanted.among, wanted.needs, wanted.data["resources"]) == (("web2",), None, {"tpu": 4})


BAD: dict[str, tuple[Any, list[str]]] = {
    "no entrypoint": ({"entrypoint": None}, ["entrypoint", "required"]),
    "empty entrypoint": ({"entrypoint": " \n"}, ["entrypoint", "empty"]),
    "entrypoint of another type": ({"entrypoint": ["echo"]}, ["entrypoint", "string"]),
    "unknown key": ({"entrypoint_num_cpu": 1}, ["entrypoint_num_cpu", "did you mean entrypoint_num_cpus"]),
    "id of another type": ({"submission_id": 5}, ["submission_id", "string"]),
    "id with a slash": ({"submission_id": "a/b"}, ["submission_id", "'/'"]),
    "id with a slash, old name": ({"job_id": "a/b"}, ["submission_id", "'/'"]),
    "metadata no object": ({"metadata": []}, ["metadata", "object"]),
    "metadata no strings": ({"metadata": {"retries": 3}}, ["metadata.retries", "string"]),
    "runtime_env no object": ({"runtime_env": "x"}, ["runtime_env", "object"]),
    "runtime_env unknown key": ({"runtime_env": {"workdir": "x"}}, ["workdir"]),
    "runtime_env conda": ({"runtime_env": {"conda": "x"}}, ["conda"]),
    "runtime_env remote": ({"runtime_env": {"working_dir": "s3://b/x.zip"}}, ["working_dir", "s3://"]),
    "package never uploaded": ({"runtime_env": {"working_dir": f"gcs://{PACKAGE}"}}, [PACKAGE]),
    "cpus no number": ({"entrypoint_num_cpus": "1"}, ["entrypoint_num_cpus", "number"]),
    "cpus true": ({"entrypoint_num_cpus": True}, ["entrypoint_num_cpus", "number"]),
    "cpus negative": ({"entrypoint_num_cpus": -1}, ["entrypoint_num_cpus", "negative"]),
    "memory a fraction": ({"entrypoint_memory": 1.5}, ["entrypoint_memory", "whole"]),
    "gpus": ({"entrypoint_num_gpus": 1}, ["entrypoint_num_gpus", "cannot reserve GPUs"]),
    "resources no numbers": ({"entrypoint_resources": {"tpu": "1"}}, ["entrypoint_resources.tpu", "number"]),
    "resources negative": ({"entrypoint_resources": {"tpu": -1}}, ["entrypoint_resources.tpu", "from 0"]),
    "resources no object": ({"entrypoint_resources": [1]}, ["entrypoint_resources", "object of numbers"]),
    "resource with a bad name": ({"entrypoint_resources": {"a b": 1}}, ["entrypoint_resources", "a b", "label"]),
    "resource with a field of its own": (
        {"entrypoint_resources": {"GPU": 1}},
        ["resources.GPU", "fields of their own"],
    ),
    "too many resources": ({"entrypoint_resources": {f"r{n}": 1 for n in range(99)}}, ["resources", "At most 20"]),
    "selector no strings": ({"entrypoint_label_selector": {"zone": 1}}, ["entrypoint_label_selector.zone", "string"]),
    "selector not well formed": ({"entrypoint_label_selector": {"zone": "in(a"}}, ["in(a", "zone"]),
    "selector's key not well formed": ({"entrypoint_label_selector": {"-": "a"}}, ["'-'"]),
}


@pytest.mark.parametrize(("body", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", ["/api/jobs/", "/api/jobs"])
def test_bad_bodies(
    submit: Submit, services: RayServices, request: pytest.FixtureRequest, path: str, body: Any, words: list[str]
) -> None:
    response = submit(path, **body)
    plain, json_string = "text/plain; charset=utf-8", "application/json"
    assert (response.status_code, response.content_type) == (400, plain if path.endswith("/") else json_string)
    text = response.text if path.endswith("/") else response.get_json()
    if "slash" not in request.node.callspec.id or path.endswith("/"):
        assert all(word in text for word in words), text
    assert services.submitted == []


def test_an_unknown_field_in_the_words_of_rays_server(submit: Submit) -> None:
    assert "TypeError: __init__() got an unexpected keyword argument 'key'" in submit(key=1, other=2).text


@pytest.mark.parametrize(
    ("raw", "status"), [(b"", 400), (b"{", 400), (b"[]", 400), (b'{"entrypoint": "\\ud800"}', 400), (b"\xff", 400)]
)
def test_values_that_are_not_objects(ask: Ask, raw: bytes, status: int) -> None:
    response = ask("POST", "/api/jobs/", data=raw, content_type="application/json")
    assert (response.status_code, response.content_type) == (status, "text/plain; charset=utf-8")


def test_a_name_that_is_taken(submit: Submit, services: RayServices) -> None:
    submit(submission_id="x1")
    response = submit(submission_id="x1")
    assert response.status_code == 500  # KubeRay's submitter looks for this status and for the words
    assert response.text == "Job with submission_id x1 already exists. Please use a different submission_id."
    assert len(services.submitted) == 1


def test_no_agent_at_all(submit: Submit, services: RayServices) -> None:
    services.failure = NoLiveAgent("No agent is live.")
    response = submit()
    assert (response.status_code, response.text) == (409, "No agent is live.")


def test_openyuanrong(submit: Submit, services: RayServices) -> None:
    environment = {
        "envVars": '{"DEPLOY_REGION":"suzhou_std"}',
        "pip": "pip3.9 install numpy==1.24 scipy==1.11.0 && pip3.9 check",
        "working_dir": "file:///home/disk/tk/file.zip",
    }
    response = submit("/api/jobs", runtime_env=environment, metadata={"ttl": "1250"})
    (wanted,) = services.submitted
    assert response.status_code == 200
    assert response.get_json() == {"submission_id": wanted.alias}
    assert (wanted.alias or "").startswith("app-")
    assert (wanted.origin, wanted.data["runtime_env"]) == ("openyuanrong", environment)
