"""Errors under Ray's paths are sentences in plain text, whatever raised them; elsewhere they stay as they are."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from tests.unit.api.conftest import MAX_BODY, Ask
from tests.unit.api.fakes import away
from tests.unit.api.ray.fakes import RayServices
from tests.unit.api.shapes import error

PLAIN = "text/plain; charset=utf-8"


def test_the_version(ask: Ask) -> None:
    found = ask("GET", "/api/version").get_json()
    assert found["version"] == "4"
    assert set(found) == {"version", "ray_version", "ray_commit", "session_name"}
    assert re.fullmatch("[0-9a-f]{40}", found["ray_commit"])
    assert tuple(map(int, found["ray_version"].split("."))) >= (2, 8, 0)


@pytest.mark.parametrize("name", ["x", "raysubmit_0", "a b", "日本", "..%2Fetc", "x" * 1000, "%00", "%ff", "'\""])
def test_an_unknown_job(ask: Ask, name: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("GET", "/logs")):
        response = ask(method, f"/api/jobs/{name}{path}")
        assert (response.status_code, response.content_type) == (404, PLAIN)
        assert "Traceback" not in response.text
        assert len(response.text) < 300


def test_the_words_for_an_unknown_job(ask: Ask) -> None:
    assert ask("GET", "/api/jobs/raysubmit_0").text == "Job raysubmit_0 does not exist"


@pytest.mark.parametrize("path", ["/api/version", "/api/jobs", "/api/jobs/", "/api/jobs/x", "/api/jobs/x/logs/tail"])
def test_no_credentials(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    # openYuanrong's server answers errors as JSON strings
    assert (response.status_code, response.content_type) == (401, "application/json" if path == "/api/jobs" else PLAIN)
    assert "Authorization: Bearer" in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PATCH", "/api/jobs/", 405), ("GET", "/api/jobs/x/nothing", 404), ("PUT", "/api/version", 405)],
)
def test_paths_and_methods_that_are_not_there(ask: Ask, method: str, path: str, status: int) -> None:
    response = ask(method, path)
    assert (response.status_code, response.content_type) == (status, PLAIN)


def test_a_body_of_another_type(ask: Ask) -> None:
    response = ask("POST", "/api/jobs/", data='{"entrypoint": "x"}', content_type="text/plain")
    assert (response.status_code, response.content_type) == (415, PLAIN)


def test_a_body_that_is_too_large(ask: Ask) -> None:
    response = ask("POST", "/api/jobs/", json={"entrypoint": "x" * MAX_BODY})
    assert (response.status_code, response.content_type) == (413, PLAIN)


def test_the_ledger_is_away(ask: Ask, services: RayServices) -> None:
    services.failure = away()
    for method, path in (("GET", "/api/jobs/"), ("GET", "/api/jobs/x"), ("POST", "/api/jobs/x/stop")):
        response = ask(method, path)
        assert (response.status_code, response.content_type) == (503, PLAIN)
        assert "cannot be reached" in response.text
        assert response.headers["Retry-After"]


def test_an_internal_error(ask: Ask, services: RayServices) -> None:
    services.failure = ZeroDivisionError("secret")
    response = ask("GET", "/api/jobs/")
    assert (response.status_code, response.content_type) == (500, PLAIN)
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/api/jobsx", "/api/versions", "/jobs"])
def test_other_paths_keep_the_native_shape(ask: Ask, path: str) -> None:
    error(ask("GET", path), 404)
