"""Nothing is served without the token but two routes; the list of routes is the application's own."""

from __future__ import annotations

import base64
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.rules import PUBLIC, rule_of
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import error

ID = "123e4567-e89b-42d3-a456-426614174000"


def is_native(app: Flask, path: str) -> bool:
    """Whether the path is of no other API, whose errors are in its own words."""
    return not any(belongs(path) for belongs, _ in app.extensions["jobqueue.dialects"])


WRONG = {
    "none": None,
    "empty": "",
    "other token": "Bearer " + "x" * len(TOKEN),
    "one character less": f"Bearer {TOKEN[:-1]}",
    "one character more": f"Bearer {TOKEN}x",
    "other case": f"Bearer {TOKEN.upper()}",
    "no scheme": TOKEN,
    "scheme only": "Bearer",
    "scheme and blank": "Bearer ",
    "other scheme": f"Basic {TOKEN}",
    "not ASCII": "Bearer \xe9\xff",
    "long": "Bearer " + "x" * 100_000,
}


def filled(rule: str) -> str:
    """A path that the rule matches."""
    for variable, text in ((r"<[^>]*job_id>", ID), (r"<resource:[^>]*>", "spark:web1"), (r"<[^>]*>", "web1")):
        rule = re.sub(variable, text, rule)
    return rule


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of everything that is served."""
    return [
        (rule.endpoint, method, filled(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
    ]


#: Public routes that answer 404 here: web1 is no file, and no identity provider is configured.
NOT_HERE = {"dashboard.static", "dashboard.go_to_provider", "dashboard.return_from_provider"}


@pytest.mark.parametrize("credentials", WRONG.values(), ids=WRONG)
def test_every_route_needs_the_token(app: Flask, client: FlaskClient, credentials: str | None) -> None:
    checked = 0
    public = {path for endpoint, _, path in routes(app) if rule_of(endpoint) == PUBLIC}
    for endpoint, method, path in routes(app):
        assert "<" not in path
        response = client.open(
            path, method=method, headers=[] if credentials is None else [("Authorization", credentials)]
        )
        # the routes of one path share their answer to OPTIONS
        if rule_of(endpoint) == PUBLIC or (method == "OPTIONS" and path in public):
            # the form for signing in takes no form that is not its own, its JSON sibling takes JSON
            refusals = (400, 404) if endpoint.startswith("dashboard.") else (415,)
            is_refused = method == "POST" or (endpoint in NOT_HERE and method != "OPTIONS")
            expected = refusals if is_refused else (200,)
            assert response.status_code in expected, (method, path)
            continue
        if endpoint.startswith("dashboard."):  # for people: they are led to where they can sign in
            assert response.status_code == (303 if method in ("GET", "HEAD") else 401), (method, path)
            assert TOKEN not in response.get_data(as_text=True)
            checked += 1
            continue
        assert response.status_code == 401, (method, path)
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        if method != "HEAD" and is_native(app, path):
            error(response, 401, "Authorization: Bearer")
        assert TOKEN not in response.text
        checked += 1
    assert checked > 30


def test_unknown_paths_need_it_too(client: FlaskClient) -> None:
    """Otherwise a caller without a token could find out which routes exist."""
    error(client.get("/nope"), 401)
    error(client.put("/job"), 401)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_in_any_case(client: FlaskClient, scheme: str) -> None:
    assert client.get("/job", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": TOKEN},
        {"X-API-Key": f" {TOKEN} "},
        {"apiKey": TOKEN},
        {"Authorization": basic("admin", TOKEN)},
        {"Authorization": basic("", TOKEN)},
        {"Authorization": basic("demo-user", TOKEN).replace("Basic", "BASIC")},
    ],
)
def test_other_ways_to_give_the_token(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/job", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x-api-key": "wrong"}, "x-api-key"),
        ({"apiKey": TOKEN[:-1]}, "apiKey"),
        ({"Authorization": basic(TOKEN, "")}, "Authorization: Basic"),
        ({"Authorization": basic("admin", f"{TOKEN}x")}, "Authorization: Basic"),
        ({"Authorization": "Basic !!!"}, "Authorization: Bearer"),
        ({"Authorization": "Basic " + base64.b64encode(TOKEN.encode()).decode()}, "Authorization: Bearer"),
        ({"Authorization": "Bearer wrong", "x-api-key": TOKEN}, "Authorization: Bearer"),
        ({"x-api-key": ""}, "Authorization: Bearer"),
    ],
)
def test_wrong_in_other_ways(client: FlaskClient, headers: dict[str, str], says: str) -> None:
    assert TOKEN not in str(error(client.get("/job", headers=headers), 401, says))


def test_basic_says_who(client: FlaskClient, services: FakeServices) -> None:
    body = {"operation": {"type": "node.hostname.get"}}
    client.post("/job", json=body, headers={"Authorization": basic("demo-user", TOKEN)})
    client.post("/job", json=body, headers=AUTHORIZATION)
    assert [submission.submitted_by for submission in services.submitted] == ["demo-user", "admin"]


def test_refused_before_the_body_is_read(client: FlaskClient) -> None:
    class Unreadable:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("read without credentials")

    response = client.post("/job", environ_overrides={"wsgi.input": Unreadable()}, content_type="application/json")
    error(response, 401)


def test_public_routes_are_just_these(app: Flask) -> None:
    assert {path for endpoint, _, path in routes(app) if rule_of(endpoint) == PUBLIC} == {
        "/health",
        "/health/ready",
        "/api/health",
        "/api/health/ready",
        "/api/gcs_healthz",
        "/api/authentication_mode",
        "/api/session",
        "/api/apollo/session",
        "/auth/provider",
        "/api/auth/provider",
        "/ui/sign-in",
        "/ui/sign-in/provider",
        "/ui/sign-in/return",
        "/ui/static/web1",
    }


def test_every_route_is_there_twice(app: Flask) -> None:
    found = {
        (method, path)
        for endpoint, method, path in routes(app)
        if is_native(app, path) and not endpoint.startswith("dashboard.")
    }
    at_root = {(method, path) for method, path in found if not path.startswith("/api/")}
    # where a facade has the path, it answers itself, or serves the native route with errors of its own
    everywhere = {(method, path) for _, method, path in routes(app)}
    assert {(method, f"/api{path}") for method, path in at_root} <= everywhere
    assert found - at_root <= {(method, f"/api{path}") for method, path in at_root}


def test_no_api_without_a_token(tmp_path: object) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_TOKEN"):
        create_app(Settings(state_dir=tmp_path), FakeServices())  # type: ignore[arg-type]


def test_a_query_is_no_place_for_the_token(client: FlaskClient) -> None:
    error(client.get(f"/job?token={TOKEN}"), 401)
    assert client.get("/job", headers=AUTHORIZATION).status_code == 200
