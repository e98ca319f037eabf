"""``after`` of /schedule: schedules that follow the jobs of a saved job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in

JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
AFTER = {"saved": "deploy"}
SMOKE = {"name": "smoke", "after": AFTER, "job": JOB}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {}})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    client = act(app, "*")
    assert client.put("/saved/deploy", json={**JOB, "title": "Deploy"}).status_code == 201
    return client


def test_store_show_and_change(client: FlaskClient) -> None:
    created: Any = client.post("/schedule", json=SMOKE).json
    assert created["after"] == {"saved": "deploy", "status": ["completed"]}
    assert (created["next_time"], created["cron"]) == (None, None)
    shown: Any = client.get("/schedule/smoke").json
    assert (shown["after"], shown["next_times"]) == (created["after"], [])
    after = {"saved": "deploy", "status": ["failed", "cancelled", "failed"]}
    body = {"after": after, "job": JOB, "description": "rescue"}
    compared: Any = client.put("/schedule/smoke?dry_run=true", json=body).json
    assert {change["field"] for change in compared["changes"]} == {"after.status", "description"}
    replaced: Any = client.put("/schedule/smoke", json=body).json
    assert replaced["after"]["status"] == ["failed", "cancelled"]
    timed: Any = client.put("/schedule/smoke", json={"every": "1h", "job": JOB}).json
    assert (timed["after"], timed["next_time"] is not None) == (None, True)
    again: Any = client.put("/schedule/smoke", json=body).json
    assert (again["every"], again["next_time"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"after": None}, "after"),
        ({"after": []}, "after"),
        ({"after": {}}, "after"),
        ({"after": {"saved": "deploy", "configuration": "x"}}, "after"),
        ({"after": {"saved": "nothing"}}, "after.saved"),
        ({"after": {"configuration": "nothing"}}, "after.configuration"),
        ({"after": {"saved": ""}}, "after.saved"),
        ({"after": {"saved": "deploy", "status": []}}, "after.status"),
        ({"after": {"saved": "deploy", "status": ["processing"]}}, "after.status[0]"),
        ({"after": {"saved": "deploy", "when": "now"}}, "after.when"),
        ({"cron": "@daily"}, "cron"),
        ({"jitter": "5m"}, "jitter"),
        ({"overlap": "buffer_all"}, "overlap"),
        ({"catch_up": "never"}, "catch_up"),
        ({"job": {"saved": "deploy"}}, "after"),
    ],
)
def test_invalid_ones(client: FlaskClient, changes: dict[str, Any], field: str) -> None:
    answer: Any = client.post("/schedule", json={**SMOKE, **changes})
    assert answer.status_code == 400, answer.text
    assert list(answer.json["details"]) == [field]
    assert client.get("/schedule/smoke").status_code == 404


def test_it_takes_the_permission_to_read_saved_jobs(client: FlaskClient, app: Flask) -> None:
    reader = act(app, "schedule:*", "job:write", "node:read")
    answer = reader.post("/schedule", json=SMOKE)
    assert (answer.status_code, "saved:read" in answer.text) == (403, True)


def test_it_has_no_times_to_backfill_and_can_be_triggered(client: FlaskClient) -> None:
    assert client.post("/schedule", json=SMOKE).status_code == 201
    answer: Any = client.post(
        "/schedule/smoke/backfill", json={"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    )
    assert (answer.status_code, "no times to backfill" in answer.text) == (400, True)
    assert client.post("/schedule/smoke/trigger").status_code == 201


def test_an_assumed_saved_job_is_not_looked_for(client: FlaskClient) -> None:
    body = {"after": {"saved": "declared-beside-it"}, "job": JOB}
    assert client.put("/schedule/smoke?dry_run=true&assume=true", json=body).status_code == 200
    assert client.put("/schedule/smoke?dry_run=true", json=body).status_code == 400
