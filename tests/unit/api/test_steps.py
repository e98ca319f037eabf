"""Jobs with several steps through every way in: each step needs the permissions of its operation."""

from __future__ import annotations

import io
from typing import Any

import pytest

from jobqueue.model.states import ExecutionState
from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.api.shapes import error
from tests.unit.api.test_scopes import Api, api, app, services, settings

__all__ = ["api", "app", "services", "settings"]

STEPS = "steps.run"
SERVICE = {"name": "stop", "operation": {"type": "node.service.stop", "data": {"name": "nginx"}}}
SHELL = {"name": "patch", "operation": {"type": "command.shell.execute", "data": {"command": "true"}}}
DATA = {"steps": [SERVICE, SHELL]}
OPERATION = {"type": STEPS, "data": DATA}
JOB = {"operation": OPERATION, "target_hostname": "web1"}
#: All that the job needs but the last.
NEARLY = ("job:*", "agent:read", "saved:*", "schedule:*", "service:write")
SCHEDULE = {"cron": "0 3 * * *", "job": JOB}
CONFIGURATION = {"id": "nightly", "type": STEPS, "data": DATA}


def test_all_permissions_are_needed(api: Api) -> None:
    for lacking in ("job:write", "service:write", "shell:execute"):
        granted = {"job:write", "service:write", "shell:execute", "job:read"} - {lacking}
        refused = api.by(*granted).post("/job", json=JOB)
        assert error(refused, 403, lacking)["details"] == {"permission": lacking}
    answer = api.by("job:write", "service:write", "shell:execute").post("/job", json=JOB)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/job", JOB),
        ("POST", "/job/batch", {"jobs": [JOB]}),
        ("PUT", "/saved/several", JOB),
        ("PUT", "/schedule/nightly", SCHEDULE),
        ("POST", "/api/spark/configurations", CONFIGURATION),
        ("POST", "/api/spark/jobs", CONFIGURATION),
    ],
)
def test_every_way_in(api: Api, method: str, path: str, body: dict[str, Any]) -> None:
    refused = api.by(*NEARLY).open(path, method=method, json=body)
    assert "shell:execute" in refused.text
    assert refused.status_code == 403 or refused.get_json()["items"][0]["code"] == 403
    accepted = api.by(*NEARLY, "shell:execute").open(path, method=method, json=body)
    assert accepted.status_code < 300, accepted.text


def test_a_plan_says_which_permissions_are_missing(api: Api) -> None:
    plan = api.by(*NEARLY).post("/job/plan", json=JOB).get_json()
    assert {"permission": "shell:execute", "granted": False} in plan["permissions"]
    assert {"permission": "service:write", "granted": True} in plan["permissions"]


def test_a_plan_names_what_no_agent_has_in_a_condition(api: Api) -> None:
    second = "group:db or web1 and step.stop.changed:true"
    steps = [{**SERVICE, "if": "gruop:web and not mail9"}, {**SHELL, "if": second}]
    job = {**JOB, "operation": {"type": STEPS, "data": {"steps": steps}}}
    assert sorted(api.by("*").post("/job/plan", json=job).get_json()["notes"]) == [
        "step 1 (stop): No agent has a label or fact 'gruop'. Did you mean group?",
        "step 1 (stop): No host is known as 'mail9'.",
    ]
    assert api.by("*").post("/job", json=job).status_code == 201  # it may be about hosts to come
    scoped = api.by("job:*@web1", "agent:read@web1", "service:write@web1", "shell:execute@web1")
    assert scoped.post("/job/plan", json=job).get_json()["notes"] == []


def test_a_retry_and_a_run_of_a_saved_job(api: Api) -> None:
    job_id = api.by("*").post("/job", json=JOB).get_json()["job_id"]
    api.end(job_id, "web1", ExecutionState.FAILED, "step patch failed: no")
    error(api.by(*NEARLY).post(f"/job/{job_id}/retry"), 403, "shell:execute")
    assert api.by(*NEARLY, "shell:execute").post(f"/job/{job_id}/retry").status_code == 201
    assert api.by("*").put("/saved/several", json=JOB).status_code == 201
    error(api.by(*NEARLY).post("/saved/several/run", json={}), 403, "shell:execute")
    assert api.by(*NEARLY, "shell:execute").post("/saved/several/run", json={}).status_code == 201


def test_permissions_on_some_hosts_and_for_so_many(api: Api) -> None:
    job = {**JOB, "target_hostname": "group:web"}
    grants = ("job:*", "agent:read", "service:write")
    error(api.by(*grants, "shell:execute@web1").post("/job", json=job), 403, "web2")
    held = api.by(*grants, "shell:execute;max_hosts=1").post("/job", json=job)
    assert held.status_code == 201
    shown = api.by("*").get(f"/job/{held.get_json()['job_id']}").get_json()
    assert "shell:execute" in shown["approval"]["because"]


def test_a_secret_of_a_step(api: Api) -> None:
    step = {"operation": {"type": "command.shell.execute", "data": {"command": {"$secret": "token"}}}}
    job = {"operation": {"type": STEPS, "data": {"steps": [step]}}}
    error(api.by("job:*", "shell:execute").post("/job", json=job), 403, "secret:use")


def test_what_is_signed_names_the_content_of_objects(api: Api, settings: Settings) -> None:
    client = api.by("*")
    upload = {"file": (io.BytesIO(b"hello"), "motd"), "name": "motd"}
    assert client.post("/api/file", data=upload, content_type="multipart/form-data").status_code == 201
    deploy = {"operation": {"type": "file.deploy.execute", "data": {"path": "/etc/motd", "object": "motd"}}}
    job = {**JOB, "operation": {"type": STEPS, "data": {"steps": [SHELL, deploy]}}}
    job_id = client.post("/job", json=job).get_json()["job_id"]
    document = api.services.ledger.jobs.get(job_id).document
    signed = work.read(document, TrustedKeys.open(settings.trusted_keys), job_id)
    data = signed.document["data"]["steps"][1]["operation"]["data"]
    assert data["version"] == 1
    assert len(data["source"]["sha256"]) == 64
    missing = {"operation": {"type": "file.deploy.execute", "data": {"path": "/etc/motd", "object": "none"}}}
    job["operation"] = {"type": STEPS, "data": {"steps": [SHELL, missing]}}
    body = error(client.post("/job", json=job), 400, "step 2")
    assert list(body["details"]) == ["steps.1.operation.data.object"]


def test_how_often_it_was_signed_to_run(api: Api, settings: Settings) -> None:
    """A step that must not be repeated makes the whole job one that must not be."""
    client = api.by("*")
    runs = []
    for steps in ([SERVICE], [SERVICE, SHELL]):
        job = {**JOB, "operation": {"type": STEPS, "data": {"steps": steps}}}
        job_id = client.post("/job", json=job).get_json()["job_id"]
        document = api.services.ledger.jobs.get(job_id).document
        runs.append(work.read(document, TrustedKeys.open(settings.trusted_keys), job_id).terms.runs)
    assert runs == [work.IDEMPOTENT_RUNS, 1]


def test_errors_name_the_step_and_the_field(api: Api) -> None:
    steps = [
        SERVICE,
        {"operation": {"type": "command.shel.execute"}},
        {"operation": {**SHELL["operation"], "data": {}}},
    ]
    body = error(api.by("*").post("/job", json={"operation": {"type": STEPS, "data": {"steps": steps}}}), 400)
    details = body["details"]
    assert list(details) == ["steps.1.operation.type", "steps.2.operation.data.command"]
    assert "Did you mean command.shell.execute" in details["steps.1.operation.type"][0]


def test_a_pause_of_a_steps_operation_is_shown(api: Api) -> None:
    client = api.by("*")
    job_id = client.post("/job", json=JOB).get_json()["job_id"]
    assert client.post("/pause", json={"operation": "node.service.*", "reason": "freeze"}).status_code == 201
    assert client.get(f"/job/{job_id}").get_json()["paused_by"]


def test_a_saved_job_puts_no_parameter_into_code(api: Api) -> None:
    def put(command: str, **step: Any) -> Any:
        inner = {"type": "command.shell.execute", "data": {"command": command}}
        parameters = {"version": {"type": "string"}}
        steps = [SERVICE, {"operation": inner, **step}]
        body = {**JOB, "operation": {"type": STEPS, "data": {"steps": steps}}, "parameters": parameters}
        return api.by("*").put("/saved/patch", json=body)

    body = error(put("patch {{ version }}"), 400, "would become shell code")
    assert list(body["details"]) == ["operation.data.steps.1.operation.data.command"]
    assert put("patch {{ version | quote }}").status_code == 201
    run = api.by("*").post("/saved/patch/run", json={"parameters": {"version": "1; reboot"}})
    job = api.by("*").get(f"/job/{run.get_json()['job_id']}").get_json()
    assert job["operation"]["data"]["steps"][1]["operation"]["data"]["command"] == "patch '1; reboot'"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("{{ version }}", "Not a valid list"),
        ([{"operation": {"type": "{{ version }}"}}], "Unknown operation"),
        ([{"operation": "{{ version }}"}], "operation"),
        ([{"operation": {"type": "node.load.get", "data": "{{ version }}"}}], "Not a valid mapping"),
    ],
)
def test_no_parameter_decides_which_operations_run(api: Api, steps: Any, words: str) -> None:
    """Saving a job takes the permissions of the operations of all steps."""
    body = {
        **JOB,
        "operation": {"type": STEPS, "data": {"steps": steps}},
        "parameters": {"version": {"type": "string"}},
    }
    error(api.by("*").put("/saved/patch", json=body), 400, words)


def test_the_title_and_the_job_as_it_is_shown(api: Api) -> None:
    job_id = api.by("*").post("/job", json=JOB).get_json()["job_id"]
    job = api.by("*").get(f"/job/{job_id}").get_json()
    assert (job["title"], job["operation"]) == ("stop, patch", OPERATION)
    assert "inner_operations" not in job


@pytest.mark.parametrize("path", ["/job", "/api/jobs/", "/api/job", "/api/jobs", "/ui/jobs", "/metrics", "/failure"])
def test_lists_of_every_api(api: Api, path: str) -> None:
    client = api.by("*")
    job_id = client.post("/job", json=JOB).get_json()["job_id"]
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    if path in ("/job", "/api/jobs/", "/ui/jobs"):
        assert job_id[:8] in answer.text
