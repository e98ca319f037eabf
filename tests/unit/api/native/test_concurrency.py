"""Jobs with a concurrency key over the API, with real services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {}, "web2": {}})


@pytest.fixture
def client(settings: Settings, services: Services) -> FlaskClient:
    return act(create_app(settings, services), "*")


def submit(client: FlaskClient, concurrency: Any, target: str = "web1") -> Any:
    body = {"operation": {"type": "node.uptime.get"}, "target_hostname": target, "concurrency": concurrency}
    return client.post("/job", json=body)


def test_a_job_waits_for_the_key_and_shows_it(client: FlaskClient, services: Services) -> None:
    first, second = (submit(client, {"key": "deploy", "limit": 1}).json["job_id"] for _ in range(2))
    claim = services.ledger.executions.claim
    assert claim(first, "web1", "web1", "t").token  # type: ignore[union-attr]
    assert claim(second, "web1", "web1", "u").state == "concurrency"  # type: ignore[union-attr]
    shown = client.get(f"/job/{second}").json
    assert shown["concurrency"] == {"key": "deploy"}
    assert shown["agent_states"]["web1"]["held_by"] == "concurrency"
    page = client.get(f"/ui/jobs/{second}").get_data(as_text=True)
    assert "deploy (one at a time)" in page


def test_refuse_names_the_holder(client: FlaskClient) -> None:
    first = submit(client, {"key": "deploy"}).json["job_id"]
    answer = submit(client, {"key": "deploy", "policy": "refuse"})
    assert (answer.status_code, answer.json["details"]) == (409, {"job_id": first})
    assert "'deploy'" in answer.json["error"]


def test_the_terms_are_signed_and_a_retry_keeps_them(client: FlaskClient, services: Services) -> None:
    job_id = submit(client, {"key": "deploy", "limit": 3, "policy": "replace"}).json["job_id"]
    terms = json.dumps({"key": "deploy", "limit": 3, "policy": "replace"}, separators=(",", ":"))
    assert f'"concurrency":{terms}' in services.jobs.get(job_id).document
    client.post(f"/job/{job_id}/cancel")
    again = client.post(f"/job/{job_id}/retry").json["job_id"]
    assert client.get(f"/job/{again}").json["concurrency"] == {"key": "deploy", "limit": 3, "policy": "replace"}


@pytest.mark.parametrize(
    ("concurrency", "field", "sentence"),
    [
        ("deploy", "", "object"),
        (None, "", "null"),
        ({}, "key", "Missing"),
        ({"key": ""}, "key", "1 to 200"),
        ({"key": "x" * 201}, "key", "1 to 200"),
        ({"key": 7}, "key", "string of 1 to 200 characters"),
        ({"key": "a\nb"}, "key", "letters, digits"),
        ({"key": "a b"}, "key", "letters, digits"),
        ({"key": "a|b"}, "key", "letters, digits"),
        ({"key": "ü"}, "key", "letters, digits"),
        ({"key": "{hots}"}, "key", "{hots}"),
        ({"key": "{label:}"}, "key", "placeholder"),
        ({"key": "{label:a\nb}"}, "key", "placeholder"),
        ({"key": "{host"}, "key", "letters, digits"),
        ({"key": "a{}"}, "key", "placeholder"),
        ({"key": "a", "limit": 0}, "limit", "1 to 100"),
        ({"key": "a", "limit": 101}, "limit", "1 to 100"),
        ({"key": "a", "limit": True}, "limit", "whole number"),
        ({"key": "a", "limit": 1.5}, "limit", "whole number"),
        ({"key": "a", "policy": "queue"}, "policy", "wait, refuse or replace"),
        ({"key": "a", "policy": None}, "policy", "null"),
        ({"key": "{host}", "policy": "refuse"}, "policy", "placeholder"),
        ({"key": "a", "polciy": "wait"}, "polciy", "key, limit, policy"),
    ],
)
def test_bad_terms(client: FlaskClient, concurrency: Any, field: str, sentence: str) -> None:
    answer = submit(client, concurrency)
    assert answer.status_code == 400
    (name,) = answer.json["details"]
    assert name == (f"concurrency.{field}" if field else "concurrency")
    assert sentence in str(answer.json["details"][name])
