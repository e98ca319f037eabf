"""The pages of jobs with several steps: the form, and the steps of each host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.dashboard import answers, form
from jobqueue.ledger.executions import Claim
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from tests.unit.api.test_scopes import Api, api, app, services, settings

__all__ = ["api", "app", "services", "settings"]

STEPS = [
    {"name": "stop", "operation": {"type": "node.service.stop", "data": {"name": "nginx"}}},
    {"name": "patch", "operation": {"type": "command.shell.execute", "data": {"command": "true"}}, "when": "always"},
]
DONE = {
    "steps": [
        {"name": "stop", "operation": "node.service.stop", "state": "completed", "changed": True, "seconds": 1.25},
        {
            "name": "<b>",
            "operation": "x",
            "state": "failed",
            "error": "broke <i>",
            "failure": {"exit_code": 37},
            "result": {"stdout": "a\nb"},
        },
        {"name": "last", "operation": "x", "state": "skipped", "error": "<b> has failed"},
    ],
    "changed": True,
}


@pytest.fixture
def client(api: Api) -> FlaskClient:
    return api.by("*")


def submitted(client: FlaskClient) -> str:
    body = {"operation": {"type": "steps.run", "data": {"steps": STEPS}}, "target_hostname": "web1"}
    job_id: str = client.post("/job", json=body).get_json()["job_id"]
    return job_id


def proof(client: FlaskClient) -> str:
    text = client.get("/ui/submit?operation=steps.run").text
    return text.partition('name="csrf_token" value="')[2].partition('"')[0]


def test_the_form_names_the_operations_that_a_step_can_have(client: FlaskClient) -> None:
    page = client.get("/ui/submit?operation=steps.run").text
    assert "<textarea" in page
    assert "data-steps" in page
    assert '<option value="node.service.stop" data-fields="name (required)' in page
    assert "/ui/static/steps.js" in page
    other = client.get("/ui/submit?operation=node.service.stop").text
    assert "data-steps" not in other
    assert "operation-types" not in other


def test_the_form_submits_steps_and_shows_them_again(client: FlaskClient) -> None:
    fields = {"operation": "steps.run", "target": "web1", "data.steps": json.dumps(STEPS), "csrf_token": proof(client)}
    answer = client.post("/ui/submit", data=fields)
    assert answer.status_code == 303, answer.text
    job_id = answer.headers["Location"].rpartition("/")[2].partition("?")[0]
    assert client.get(f"/job/{job_id}").get_json()["operation"]["data"] == {"steps": STEPS}
    again = client.get(f"/ui/submit?job={job_id}").text
    assert "&#34;node.service.stop&#34;" in again


def test_all_problems_of_the_steps_are_shown_beside_them(client: FlaskClient) -> None:
    steps = [{"operation": {"type": "node.servce.stop"}}, {"operation": {"type": "command.shell.execute"}}]
    fields = {"operation": "steps.run", "target": "web1", "data.steps": json.dumps(steps), "csrf_token": proof(client)}
    page = client.post("/ui/submit", data=fields)
    assert page.status_code == 400
    problem = page.text.partition('id="d-steps-problem">')[2].partition("</p>")[0]
    assert "0.operation.type: Unknown operation" in problem
    assert "1.operation.data.command: Missing data for required field" in problem


def test_which_fields_are_steps() -> None:
    kinds = {
        (info.type, one.name): one.kind
        for info in Registry.load(()).infos()
        for one in form.fields_of(info.schema, {})
        if one.kind == "steps"
    }
    assert list(kinds) == [("steps.run", "steps")]


def test_the_steps_of_a_host(api: Api, client: FlaskClient) -> None:
    job_id = submitted(client)
    executions = api.services.ledger.executions
    claim = executions.claim(job_id, "web1", "web1", "token")
    assert isinstance(claim, Claim)
    running = {
        "phase": "running",
        "steps": [{"name": "stop", "state": "completed"}, {"name": "<b>", "state": "running"}],
    }
    executions.report_progress(claim, json.dumps({"info": running}))
    page = client.get(f"/ui/jobs/{job_id}").text
    assert "2 of 2: &lt;b&gt;" in page
    out = json.dumps({"data": DONE, "changed": True})
    executions.finish(claim, ExecutionState.FAILED, out=out, note="step <b> failed: broke <i>")
    page = client.get(f"/ui/jobs/{job_id}").text
    assert "2 of 2: " not in page
    assert "broke &lt;i&gt;" in page
    assert "1.2s" in page
    assert "37" in page.partition("Details of the failure")[2]
    assert 'is-skipped">skipped' in page
    assert "<b>" not in page.partition('id="answers"')[2].partition("Timeline")[0]


def nested(depth: int) -> dict[str, Any]:
    """Steps within the result of steps, which no operation answers."""
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"steps": [{"name": "x", "state": "completed", "result": data, "failure": data}]}
    return data


@pytest.mark.parametrize(
    "data",
    [
        nested(12),
        {"steps": [{"name": {}, "state": [], "seconds": "x", "changed": "yes", "error": 7, "result": {"steps": []}}]},
        {"steps": [{"name": "a", "state": "x", "seconds": True}], "message": {}},
        {"steps": "x"},
        {"steps": []},
        {"steps": [{"state": "completed"}]},
        {"steps": [7]},
        {"steps": [{"name": "a", "state": "completed", "seconds": 1e300, "result": None}]},
    ],
)
def test_answers_of_a_hostile_agent(api: Api, client: FlaskClient, data: Any) -> None:
    job_id = submitted(client)
    executions = api.services.ledger.executions
    claim = executions.claim(job_id, "web1", "web1", "token")
    assert isinstance(claim, Claim)
    executions.finish(claim, ExecutionState.COMPLETED, out=json.dumps({"data": data, "changed": True}))
    assert client.get(f"/ui/jobs/{job_id}").status_code == 200
    answers.steps(data)
