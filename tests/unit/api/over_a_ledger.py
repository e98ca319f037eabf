"""The application over a ledger in fakeredis, for tests of what the API and the ledger do together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fakeredis
from flask import Flask
from flask.testing import FlaskClient
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from api.auth import gate
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.documented import DocumentedClient


def settings_in(state: Path) -> Settings:
    """Settings whose Redis cannot be reached: nothing but the ledger that a test makes may be used.

    Agents count as live for longer than a test takes, also on a busy machine.
    """
    return Settings(state_dir=state, token=TOKEN, redis_url="redis://127.0.0.1:1/0", heartbeat_seconds=600.0)


def services_with(
    settings: Settings, agents: Mapping[str, Mapping[str, str]], facts: Mapping[str, Any] | None = None
) -> Services:
    """Services over an empty ledger with these agents: hostname -> labels. All have the same ``facts``."""
    registry = Registry.load(())
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
    # as `connect` has it, without the waits
    client.set_retry(Retry(NoBackoff(), 2, supported_errors=(RedisConnectionError,)))
    ledger = Ledger(client, settings)
    for hostname, labels in agents.items():
        ledger.agents.register(
            Registration(hostname, "boot", dict(labels), dict(facts or {}), registry.types(), "1", 2)
        )
    return Services.over(ledger, settings, registry)


def act(app: Flask, *permissions: str, name: str = "alice", **fields: Any) -> FlaskClient:
    """A client of a principal with these permissions; ``fields`` are further ones of ``Principal``.

    Each answer that it gets is held against /openapi.json.
    """
    gate.of(app).authenticate = lambda _environ: Principal(name, frozenset(permissions), **fields)
    app.test_client_class = DocumentedClient
    return app.test_client()
