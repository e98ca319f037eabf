"""/api/session: signing in by a name and a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from jobqueue.services import Services
from jobqueue.settings import Settings

from .conftest import TOKEN, Ask, fusion_error

AT = "/api/session"
USER = {"username": "ada", "password": "correct horse battery staple"}
JOBS = "/api/spark/jobs"
RUN = {"id": "x", "type": "node.hostname.get"}


@pytest.fixture
def app(services: Services) -> Flask:
    """An application whose users are in the same ledger as its jobs."""
    return create_app(Settings(state_dir=Path("/nonexistent"), token=TOKEN), services)


@pytest.fixture
def client(app: Flask, ask: Ask) -> FlaskClient:
    body = {"name": USER["username"], "password": USER["password"], "roles": ["admin"]}
    made = ask("POST", "/user", body)
    assert made.status_code == 201, made.text
    return app.test_client()


def sign_in(client: FlaskClient, path: str = f"{AT}?realmName=native", **headers: str) -> TestResponse:
    return client.post(path, json=USER, headers=headers)


@pytest.mark.parametrize("path", [AT, f"{AT}?realmName=native", "/api/apollo/session"])
def test_the_cookie_is_enough_for_a_program(client: FlaskClient, path: str) -> None:
    assert client.get(JOBS).status_code == 401
    answer = sign_in(client, path)
    assert (answer.status_code, answer.get_json()) == (201, {"user": "ada"})
    cookie = answer.headers["Set-Cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert USER["password"] not in cookie
    started = client.post(JOBS, json=RUN)
    assert started.status_code == 200, started.text
    (job,) = client.get("/job").get_json()["items"]
    assert job["submitted_by"] == "ada"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_others_can_neither_sign_in_nor_use_it(client: FlaskClient, headers: dict[str, str]) -> None:
    fusion_error(sign_in(client, **headers), 403, "another site")
    assert sign_in(client).status_code == 201
    assert client.post(JOBS, json=RUN, headers=headers).status_code == 403
    assert client.get(JOBS).get_json() == []
    assert client.post(JOBS, json=RUN, headers={"Origin": "http://localhost"}).status_code == 200


def test_its_end(client: FlaskClient) -> None:
    cookie = sign_in(client).headers["Set-Cookie"].partition(";")[0]
    assert client.delete(AT).status_code == 204
    assert client.get(JOBS).status_code == 401
    assert client.get(JOBS, headers={"Cookie": cookie}).status_code == 401


def test_a_wrong_password_counts(client: FlaskClient) -> None:
    for _ in range(30):
        refused = client.post(AT, json={**USER, "password": "wrong"})
        assert "Set-Cookie" not in refused.headers
        if refused.status_code == 429:
            break
        fusion_error(refused, 401)
    else:
        pytest.fail("no limit on failed log-ins")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "username"),
        ({"username": "ada"}, "password"),
        ({"username": 1, "password": "x"}, "username"),
        ({"username": "a:b", "password": "x"}, "username"),
        ([], "object"),
    ],
)
def test_bad_bodies(client: FlaskClient, body: Any, says: str) -> None:
    fusion_error(client.post(AT, json=body), 400, says)


def test_the_body_of_an_unknown_client_is_limited(client: FlaskClient) -> None:
    fusion_error(client.post(AT, json={**USER, "x": "x" * 5000}), 413)
