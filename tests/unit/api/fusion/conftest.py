"""The Fusion routes over a real ledger in memory; tests play the agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.app import create_app
from jobqueue.ledger.executions import Claim
from jobqueue.model.states import ExecutionState
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.ledger.clock import FakeClock
from tests.ledger.world import World

TOKEN = "a-token-of-twenty-four-ch"
HOST = "web1"

Ask = Callable[..., TestResponse]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load(plugins=())


@pytest.fixture
def world(registry: Registry) -> World:
    world = World(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), FakeClock())
    world.register(HOST, operations=registry.types())
    return world


@pytest.fixture(scope="session")
def shared_app() -> Flask:
    """Building an application takes a while, and it keeps nothing but the services, which each test replaces."""
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, max_body_bytes=200_000)
    return create_app(settings)


@pytest.fixture
def services(world: World, registry: Registry) -> Services:
    return Services.over(world.ledger, Settings(state_dir=Path("/nonexistent")), registry)


@pytest.fixture
def app(shared_app: Flask, services: Services) -> Flask:
    shared_app.extensions["jobqueue"] = services
    return shared_app


@pytest.fixture
def ask(app: Flask) -> Ask:
    """``ask("GET", "/api/spark/jobs", ...)`` as the user demo-user."""
    client = app.test_client()

    def ask(method: str, path: str, document: Any = None, **options: Any) -> TestResponse:
        if document is not None:
            options["json"] = document
        return client.open(path, method=method, auth=("demo-user", TOKEN), **options)

    return ask


class Agent:
    """Plays the one agent: takes what is queued for it, or for any."""

    def __init__(self, world: World) -> None:
        self._world = world

    def take(self) -> Claim:
        """Claim the next execution."""
        slot = HOST if self._world.messages(HOST) else "_any"
        return self._world.claim(self._world.pop(slot), slot, HOST)

    def document(self, claim: Claim) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(claim.document)
        return document

    def finish(
        self, claim: Claim, data: Any = None, state: ExecutionState = ExecutionState.COMPLETED, **more: Any
    ) -> None:
        self._world.clock.advance(1.5)
        out = {"out": json.dumps({"data": data, "changed": True})} if state is ExecutionState.COMPLETED else {}
        self._world.executions.finish(claim, state, **out, **more)


@pytest.fixture
def agent(world: World) -> Agent:
    return Agent(world)


def fusion_error(response: TestResponse, status: int, *says: str) -> dict[str, Any]:
    """Checks the body of an error, and that its message says something; the body."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.get_json()
    assert set(body) == {"httpStatusCode", "httpStatusMessage", "error", "message", "details", "requestId"}
    assert body["httpStatusCode"] == status
    assert body["requestId"] == response.headers["X-Request-Id"]
    assert isinstance(body["details"], dict)
    for text in says:
        assert text in body["message"], body
    return body
