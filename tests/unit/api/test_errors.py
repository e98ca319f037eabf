"""Errors: one shape, one map, and no secret in any."""

from __future__ import annotations

import inspect
import logging
import uuid

import pytest

from api import errors as api_errors
from jobqueue import errors
from tests.unit.api.conftest import TOKEN, Ask
from tests.unit.api.fakes import FakeServices, away
from tests.unit.api.shapes import GOOD, error

#: What only agents and the store see of each other. If one came through, it would be a fault of ours: 500.
INTERNAL = {
    errors.JobQueueError,
    errors.InvalidSettings,
    errors.OperationFailed,
    errors.OperationTimedOut,
    errors.OperationNotNeeded,
    errors.OperationNotSupported,
    errors.OperationCancelled,
    errors.OperationNotAllowed,
    errors.WorkRefused,
    errors.SealBroken,
}

ALL = [
    item
    for module in (errors, api_errors)
    for _, item in inspect.getmembers(module, inspect.isclass)
    if issubclass(item, errors.JobQueueError) and item.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_status(kind: type[errors.JobQueueError]) -> None:
    status = api_errors.status_of(kind())
    assert (status == 500) == (kind in INTERNAL), f"{kind.__name__} has no line in api.errors.STATUS"


@pytest.mark.parametrize("kind", [item for item in ALL if item not in INTERNAL])
def test_every_error_answers_in_the_one_shape(
    ask: Ask, services: FakeServices, kind: type[errors.JobQueueError]
) -> None:
    services.failure = kind("A sentence.", {"field": ["why"]})
    status = api_errors.status_of(services.failure)
    assert error(ask("GET", "/job"), status) == {"error": "A sentence.", "code": status, "details": {"field": ["why"]}}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/job"), ("GET", "/job"), ("GET", "/job/123e4567-e89b-42d3-a456-426614174000"), ("GET", "/agent")],
)
def test_redis_away(ask: Ask, services: FakeServices, method: str, path: str) -> None:
    services.failure = away()
    response = ask(method, path, **({"json": GOOD} if method == "POST" else {}))
    error(response, 503, "cannot be reached")
    assert int(response.headers["Retry-After"]) > 0


def test_redis_away_during_a_batch(ask: Ask, services: FakeServices) -> None:
    services.failure = away()
    error(ask("POST", "/job/batch", json={"jobs": [GOOD]}), 503)


@pytest.mark.parametrize("failure", [ZeroDivisionError("secret-42"), errors.OperationFailed("secret-42")])
def test_unexpected(ask: Ask, services: FakeServices, caplog: pytest.LogCaptureFixture, failure: Exception) -> None:
    services.failure = failure
    with caplog.at_level(logging.ERROR):
        response = ask("GET", "/job", headers={"X-Request-Id": "id-1"})
    body = error(response, 500, "id-1")
    assert body["details"] == {"request_id": "id-1"}
    assert "secret-42" not in response.get_data(as_text=True)
    assert response.headers["X-Request-Id"] == "id-1"
    assert "secret-42" in caplog.text
    assert "Traceback" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "path", ["/nope", "/job/", "/api//job", "/job//", "/api", "/api/", "/api/nope", "/Job", "/job/a/b/c"]
)
def test_unknown_paths(ask: Ask, path: str) -> None:
    error(ask("GET", path), 404, "/openapi.json")


@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/", "/api/version", "/api/spark"])
def test_paths_of_other_apis_are_theirs(ask: Ask, path: str) -> None:
    answer = ask("GET", path).get_json(silent=True) or {}
    assert set(answer) != {"error", "code", "details"}


def test_an_unknown_path_cannot_fill_an_answer(ask: Ask) -> None:
    assert len(ask("GET", "/" + "x" * 10_000).data) < 500


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/job", "GET, POST"),
        ("PATCH", "/job/123e4567-e89b-42d3-a456-426614174000", "DELETE, GET"),
        ("GET", "/job/123e4567-e89b-42d3-a456-426614174000/retry", "POST"),
        ("POST", "/agent", "GET"),
        ("DELETE", "/health", "GET"),
        ("BREW", "/job", "GET, POST"),
    ],
)
def test_other_methods(ask: Ask, method: str, path: str, allowed: str) -> None:
    response = ask(method, path)
    error(response, 405, method, allowed)
    assert set(allowed.split(", ")) <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize("given", ["abc", "A-1.b_c:/+=@", "x" * 128, "0d9e1f4c-1111-4222-8333-444455556666"])
def test_the_callers_request_id(ask: Ask, given: str) -> None:
    assert ask("GET", "/job", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "a;b", "-a", "é", "a\x1b[31m"])
def test_a_request_id_that_is_not_repeated(ask: Ask, given: str) -> None:
    answered = ask("GET", "/job", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert answered != given
    assert uuid.UUID(answered).version == 4
    assert uuid.UUID(answered).variant == uuid.RFC_4122
    assert str(uuid.UUID(answered)) == answered


def test_request_ids_differ(ask: Ask) -> None:
    assert ask("GET", "/job").headers["X-Request-Id"] != ask("GET", "/job").headers["X-Request-Id"]
