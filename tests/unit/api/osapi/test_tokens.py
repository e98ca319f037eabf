"""Web tokens as OSAPI's own command line makes them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask

from api.app import create_app
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.osapi.shapes import refused

SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def shared_app() -> Flask:
    settings = Settings(
        state_dir=Path("/nonexistent"),
        token=TOKEN,
        jwt_secret=SECRET,
        jwt_issuer="osapi",
        jwt_audience="https://localhost",
    )
    return create_app(settings, FakeServices())  # type: ignore[arg-type]


@pytest.fixture
def services() -> Any:
    return FakeServices()


def bearer(*roles: str, **claims: Any) -> dict[str, str]:
    now = int(time.time())
    content = {
        "roles": list(roles),
        "iss": "osapi",
        "sub": "ada@example.com",
        "aud": ["https://localhost", "http://localhost"],
        "exp": now + 3600,
        "iat": now,
        **claims,
    }
    return {"Authorization": f"Bearer {jwt.encode(content, SECRET, 'HS256')}"}


def test_roles(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/api/audit", headers=bearer("admin")).status_code == 200
    assert client.get("/api/node/web1/hostname", headers=bearer("write")).status_code == 200
    assert client.get("/api/node/web1/hostname", headers=bearer("read")).status_code == 200
    assert client.get("/api/agent", headers=bearer("read")).status_code == 200
    refused(client.get("/api/audit", headers=bearer("write")), 403, "audit:read")
    refused(client.post("/api/agent/web1/drain", headers=bearer("write")), 403, "agent:write")


def test_permissions_take_the_place_of_the_roles(app: Flask) -> None:
    client, headers = app.test_client(), bearer("write", permissions=["agent:read"])
    assert client.get("/api/agent", headers=headers).status_code == 200
    refused(client.get("/api/job", headers=headers), 403, "job:read")
    refused(client.get("/api/node/web1/hostname", headers=headers), 403, "job:write")


def test_a_permission_for_calls_holds_for_calls_only(app: Flask) -> None:
    """A call is a job, but node:read does not become job:write, which allows more than reading."""
    client, headers = app.test_client(), bearer("admin", permissions=["node:read", "agent:read"])
    assert client.get("/api/node/web1/hostname", headers=headers).status_code == 200
    assert client.post("/job", json={"operation": {"type": "x.y"}}, headers=headers).status_code == 403


def test_a_token_of_another_key(app: Flask) -> None:
    forged = jwt.encode({"roles": ["admin"], "iss": "osapi"}, SECRET[::-1], "HS256")
    refused(app.test_client().get("/api/agent", headers={"Authorization": f"Bearer {forged}"}), 401)
