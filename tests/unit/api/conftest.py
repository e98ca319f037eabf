from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.osapi import waiting
from jobqueue.settings import Settings
from tests.unit.api.fakes import FakeServices

TOKEN = "a-token-of-twenty-four-ch"
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
MAX_BODY = 200_000

Ask = Callable[..., TestResponse]


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent runs anything here: calls of hosts would wait in vain for their jobs to end."""
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture(scope="module")
def shared_app() -> Flask:
    """Building an application takes a while, and it keeps nothing but the services, which each test replaces."""
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, max_body_bytes=MAX_BODY, login_failures=1_000_000)
    return create_app(settings, FakeServices())  # type: ignore[arg-type]


@pytest.fixture
def app(shared_app: Flask, services: FakeServices) -> Flask:
    shared_app.extensions["jobqueue"] = services
    return shared_app


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """``ask("GET", "/job", ...)`` with the token."""

    def ask(method: str, path: str, **options: Any) -> TestResponse:
        headers = {**AUTHORIZATION, **options.pop("headers", {})}
        return client.open(path, method=method, headers=headers, **options)

    return ask


@pytest.fixture
def post(ask: Ask) -> Ask:
    """``post(document)`` or ``post(raw=bytes)`` to POST /job, or to ``path``."""

    def post(
        document: Any = None, *, raw: bytes | str | None = None, path: str = "/job", **options: Any
    ) -> TestResponse:
        if raw is not None:
            return ask("POST", path, data=raw, content_type="application/json", **options)
        return ask("POST", path, json=document, **options)

    return post
