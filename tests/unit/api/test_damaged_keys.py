"""A key of the wrong type in Redis: /health/status and /metrics answer with the rest, and name the key."""

from __future__ import annotations

import pytest
from flask import Flask

from api.app import create_app
from jobqueue.ledger.keys import KINDS
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.services import Services
from tests.unit.api.over_a_ledger import act, services_with, settings_in

#: Keys for which other components of the status speak, or which each write repairs.
_OF_THE_TRAIL = {"audit", "audit_head", "audit_spoiled", "probe"}
_SINGLE = [kind for kind, (start, _, _) in KINDS.items() if not start.endswith(":")]
_OF_MANY = ["jobqueue:index:all:|completed", "jobqueue:waiting:_any", "jobqueue:parked:pause:{pause}"]
KEYS = [
    *((f"jobqueue:{KINDS[kind][0]}", KINDS[kind][1]) for kind in _SINGLE if kind not in _OF_THE_TRAIL),
    *((key, "zset") for key in _OF_MANY),
]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return services_with(settings_in(tmp_path_factory.mktemp("state")), {"web1": {}, "web2": {}})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Flask:
    return create_app(settings_in(tmp_path_factory.mktemp("api")), services)


@pytest.mark.parametrize(("name", "right_type"), KEYS)
def test_the_status_and_the_metrics_name_it(app: Flask, services: Services, name: str, right_type: str) -> None:
    client, ledger = act(app, "*"), services.ledger
    pause = client.post("/pause", json={"operation": "node.hostname.get", "reason": "r"}).get_json()["id"]
    key = name.format(pause=pause)
    ledger.client.delete(key)
    if right_type == "string":
        ledger.client.sadd(key, "not ours")
    else:
        ledger.client.set(key, "not ours")
    wrong_type = ledger.client.type(key)
    status, metrics = client.get("/health/status"), client.get("/metrics")
    # scripts that read or write the key move it aside at once, where the ledger can do without it
    is_there = ledger.client.type(key) == wrong_type
    assert (status.status_code, metrics.status_code) == (200, 200), status.text
    assert f'jobqueue_key_damaged{{key="{key}"}} 1.0' in metrics.text or not is_there
    keys = status.get_json()["components"]["keys"]
    assert status.get_json()["status"] == "failing" or not is_there
    assert key in keys.get("reason", "") or not is_there
    assert any(key in alert.message and alert.kind == RECORDS_ALTERED for alert in ledger.executions.alerts())
    ledger.client.delete(key)
    client.delete(f"/pause/{pause}")


def test_nothing_is_damaged_in_a_sound_ledger(app: Flask) -> None:
    client = act(app, "*")
    assert client.get("/health/status").get_json()["components"]["keys"] == {"status": "ok"}
    assert "jobqueue_key_damaged{" not in client.get("/metrics").text
