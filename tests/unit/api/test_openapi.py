"""The OpenAPI document is valid, complete, and true: real answers are held against it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from api.auth.rules import KNOWN, PUBLIC, rule_of
from jobqueue.model.states import JobStatus
from tests.unit.api.conftest import AUTHORIZATION, Ask
from tests.unit.api.documented import content_of, faults_of
from tests.unit.api.fakes import FakeServices, a_job, a_pending_job
from tests.unit.api.shapes import GOOD, good

ID = "123e4567-e89b-42d3-a456-426614174000"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def document(shared_app: Flask) -> dict[str, Any]:
    response = shared_app.test_client().get("/openapi.json", headers=AUTHORIZATION)
    assert response.content_type == "application/json"
    found: dict[str, Any] = response.get_json()
    return found


def test_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"


def test_every_route_is_documented_once(app: Flask, document: dict[str, Any]) -> None:
    """A route that is neither noted by its decorators nor in a table of another API fails this."""
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        # what is served a second time elsewhere is described once
        if not rule.websocket
        and not rule.endpoint.startswith(("api.", "dashboard."))
        and not re.match(r"fusion_\w+[1-9]\.", rule.endpoint)
    }
    documented = {
        (path, method) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    assert documented == served


def test_every_operation_is_distinguished_and_described(document: dict[str, Any]) -> None:
    operations = [op for item in document["paths"].values() for method, op in item.items() if method != "parameters"]
    assert len({op["operationId"] for op in operations}) == len(operations)
    assert all(op["summary"] and op["tags"] for op in operations)


def test_the_errors_that_every_route_can_answer(app: Flask, document: dict[str, Any]) -> None:
    rules = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower()): rule_of(rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    sign_in = ("/api/session", "post")  # public, and checks credentials
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            found = set(item[method]["responses"])
            rule = rules[path, method]
            assert "default" not in found
            assert {"400", "500"} <= found
            assert ({"401", "429", "503"} <= found) is (rule != PUBLIC or (path, method) == sign_in), (path, method)
            assert rule in (PUBLIC, KNOWN) or "403" in found, (path, method)
            assert "requestBody" not in item[method] or {"408", "413", "415"} <= found, (path, method)


def test_what_needs_no_credentials_says_so(document: dict[str, Any]) -> None:
    assert document["security"] == [{"bearer": []}]
    public = {path for path, item in document["paths"].items() if item.get("get", {}).get("security") == []}
    assert public == {"/health", "/health/ready", "/auth/provider"}


def test_parameters_of_the_listing(document: dict[str, Any]) -> None:
    parameters = {item["name"]: item["schema"] for item in document["paths"]["/job"]["get"]["parameters"]}
    assert set(parameters) == {
        "status", "limit", "offset", "operation", "target", "hostname", "tag", "created_after", "created_before",
        "cursor", "view", "q", "error", "submitted_by", "saved", "cursors",
    }  # fmt: skip
    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"], parameters["limit"]["default"]) == (
        1,
        100,
        10,
    )
    assert all(re.fullmatch(parameters["status"]["pattern"], text) for text in (*JobStatus, "failed,cancelled"))
    assert not re.fullmatch(parameters["status"]["pattern"], "failed,odd")


def test_fields_of_a_request(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["JobRequest"]
    assert set(schema["properties"]) == {
        "operation", "target_hostname", "target", "timeout_seconds", "not_before", "expires_at", "retries", "priority",
        "tags", "idempotency_key", "title", "description", "plan_hash", "rollout",
        "concurrency",
    }  # fmt: skip
    assert schema["required"] == ["operation"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("method", "path", "route", "options"),
    [
        ("POST", "/job", "/job", {"json": good(idempotency_key="k", tags={"a": "b"})}),
        ("POST", "/job", "/job", {"json": {}}),
        ("POST", "/job", "/job", {"json": GOOD, "headers": {"Authorization": "Bearer wrong"}}),
        ("POST", "/job/batch", "/job/batch", {"json": {"jobs": [GOOD, {}]}}),
        ("GET", "/job", "/job", {}),
        ("GET", "/job?view=summary", "/job", {}),
        ("GET", "/job?limit=0", "/job", {}),
        ("GET", f"/job/{ID}", "/job/{job_id}", {}),
        ("GET", f"/job/{UNKNOWN_ID}", "/job/{job_id}", {}),
        ("GET", "/job/1", "/job/{job_id}", {}),
        ("POST", f"/job/{ID}/retry", "/job/{job_id}/retry", {}),
        ("POST", f"/job/{ID}/cancel", "/job/{job_id}/cancel", {}),
        ("DELETE", f"/job/{ID}", "/job/{job_id}", {}),
        ("GET", "/agent", "/agent", {}),
        ("GET", "/agent/web1", "/agent/{hostname}", {}),
        ("GET", "/operation", "/operation", {}),
        ("GET", "/health", "/health", {}),
        ("GET", "/health/ready", "/health/ready", {}),
        ("GET", "/health/status", "/health/status", {}),
    ],
)
def test_answers_are_as_documented(
    ask: Ask,
    services: FakeServices,
    document: dict[str, Any],
    method: str,
    path: str,
    route: str,
    options: dict[str, Any],
) -> None:
    pending = "b3c7dd9e-1111-4222-8333-444455556666"
    services.store |= {
        ID: a_pending_job() if "cancel" in path else a_job(tags={"a": "b"}),
        pending: a_pending_job(id=pending),
    }
    check_answer(document, ask(method, path, **options), document["paths"][route][method.lower()])


#: What an answer has only while there is something to say.
OFTEN_LEFT_OUT = {"paused_by", "cursors", "drain_reason"}


def check_answer(document: dict[str, Any], response: TestResponse, operation: dict[str, Any]) -> None:
    content = content_of(document, operation, response)
    assert content is not None
    if response.status_code == 204:
        assert content == {}
        return
    schema = content[response.content_type]["schema"]
    assert faults_of(document, schema, response.get_json()) == []
    documented = set(_properties(document, schema))
    assert set(response.get_json()) | (documented & OFTEN_LEFT_OUT) == documented, (
        "a field that is not documented, or is missing"
    )


def _properties(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"]
    return found


def test_the_page_loads_nothing_from_elsewhere(ask: Ask) -> None:
    page = ask("GET", "/docs")
    text = page.get_data(as_text=True)
    page.close()
    assert page.status_code == 200
    assert page.content_type.startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "//" not in text.replace("<!doctype html>", "")
    assert "<script>" not in text, "the content policy forbids inline scripts"
    links = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(links) >= 5
    for link in links:
        for prefix in ("/", "/api/"):
            answer = ask("GET", prefix + link)
            assert answer.status_code == 200, link
            answer.close()


@pytest.mark.parametrize(
    "name", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "index.html", ".", "x\x00y"]
)
def test_assets_stay_in_their_folder(ask: Ask, name: str) -> None:
    assert ask("GET", f"/docs/assets/{name}").status_code == 404


def test_served_under_both_prefixes(client: FlaskClient, document: dict[str, Any]) -> None:
    assert client.get("/api/openapi.json", headers=AUTHORIZATION).get_json() == document
