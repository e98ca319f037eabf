from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from flask import Flask

from api.osapi.facts import KEYS
from api.osapi.times import uptime_text
from jobqueue import __version__
from jobqueue.errors import LedgerRefuses, LedgerUnavailable
from jobqueue.operations import facts
from jobqueue.services import Services
from tests.unit.api.over_a_ledger import act


def failing(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: Any) -> NoReturn:
        raise error

    return fail


def test_alive_and_ready(app: Flask) -> None:
    assert act(app).get("/api/health").get_json() == {"status": "ok", "version": __version__}
    assert act(app).get("/api/health/ready").get_json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LedgerUnavailable("redis://10.0.0.9 cannot be reached"), "cannot be reached"),
        (LedgerRefuses("OOM at 10.0.0.9", sentence="Redis is out of memory."), "Redis is out of memory."),
    ],
)
def test_not_ready(
    app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    monkeypatch.setattr(services.ledger, "check_writes", failing(error))
    response = act(app).get("/api/health/ready")
    assert response.status_code == 503
    body = response.get_json()
    assert body["status"] == "not_ready"
    assert sentence in body["error"]
    assert "10.0.0.9" not in response.text
    assert int(response.headers["Retry-After"]) > 0


def test_status(app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.ledger, "is_maintained", lambda: True)
    body = act(app, "metrics:read").get("/api/health/status").get_json()
    assert (body["status"], body["version"]) == ("ok", __version__)
    assert body["components"]["ledger"] == {"status": "ok"}
    assert body["jobs"]["total"] == 0
    assert set(body["agents"]) == {"total", "ready"}
    assert "minute" in body["uptime"]


def test_status_names_what_fails(app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.ledger, "is_maintained", lambda: False)
    refusal = LedgerRefuses("OOM", sentence="Redis is out of memory.")
    monkeypatch.setattr(services.ledger, "check_writes", failing(refusal))
    body = act(app, "metrics:read").get("/api/health/status").get_json()
    assert body["status"] == "degraded"
    assert body["components"]["ledger"] == {"status": "error", "error": "Redis is out of memory."}
    assert body["components"]["maintenance"]["status"] == "error"


@pytest.mark.parametrize("key", ["jobqueue:pauses", "jobqueue:stats"])
def test_status_names_damaged_keys(app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(services.ledger, "is_maintained", lambda: True)
    services.ledger.client.delete(key)
    services.ledger.client.set(key, "not ours")
    response = act(app, "metrics:read").get("/api/health/status")
    assert response.status_code == 200, response.text
    body = response.get_json()
    assert body["status"] == "degraded"
    assert key in body["components"]["keys"]["error"]


def test_status_without_a_ledger(app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.ledger, "ping", failing(LedgerUnavailable("cannot be reached")))
    response = act(app, "metrics:read").get("/api/health/status")
    assert response.status_code == 503
    assert response.get_json()["components"]["ledger"] == {"status": "error", "error": "cannot be reached"}


def test_the_keys_of_facts_are_those_that_agents_collect(app: Flask) -> None:
    body = act(app, "agent:read").get("/api/facts/keys").get_json()
    assert {entry["key"] for entry in body["keys"]} == set(KEYS)
    flat = facts.lookup(facts.collect("web1"))
    plain = {name for name, value in flat.items() if not isinstance(value, dict)}
    assert set(KEYS) <= plain


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 days, 0 hours, 0 minutes"),
        (3_661, "0 days, 1 hour, 1 minute"),
        (360_000, "4 days, 4 hours, 0 minutes"),
        (-5, "0 days, 0 hours, 0 minutes"),
    ],
)
def test_uptime(seconds: int, text: str) -> None:
    assert uptime_text(seconds) == text
