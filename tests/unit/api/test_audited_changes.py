"""What changes what runs, and with whose permissions, is refused while it cannot be recorded, by each of its routes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.audit import ACCESS
from api.auth.rules import rule_name
from jobqueue.ledger.audit import BROKEN
from jobqueue.model.agent import Registration
from jobqueue.model.audit import AuditEntry
from jobqueue.services import Services
from tests.unit.api.lost_answers import lost_answers
from tests.unit.api.over_a_ledger import act, services_with, settings_in

PING = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
RULE = {
    "events": ["job.failed"],
    "channel": {"type": "webhook", "url": "https://hooks.example.org/", "secret": {"$secret": "audited-hook"}},
}
LAST_ID = "18446744073709551615-18446744073709551614"
#: method, path, body, and the entry's details that say what was changed
CHANGES: list[tuple[str, str, dict[str, Any] | None, dict[str, Any]]] = [
    ("POST", "/target", {"name": "new", "target": "web2"}, {"stored": "new", "expression": "web2"}),
    ("PUT", "/target/old", {"target": "web2"}, {"stored": "old", "expression": "web2"}),
    ("DELETE", "/target/old", None, {"stored": "old"}),
    ("PUT", "/saved/old", {**PING, "target_hostname": "web2"}, {"saved": "old", "version": 3}),
    ("POST", "/saved/old/restore", {"version": 1}, {"saved": "old", "version": 3}),
    ("DELETE", "/saved/old", None, {"saved": "old"}),
    ("POST", "/schedule", {"name": "new", "cron": "@daily", "job": PING}, {"schedule": "new"}),
    ("PUT", "/schedule/old", {"cron": "@hourly", "job": PING}, {"schedule": "old"}),
    ("POST", "/schedule/old/pause", {"reason": "attack"}, {"schedule": "old", "reason": "attack"}),
    ("POST", "/schedule/old/resume", None, {"schedule": "old"}),
    ("DELETE", "/schedule/old", None, {"schedule": "old"}),
    ("PUT", "/notification/new", RULE, {"notification": "new"}),
    ("PUT", "/notification/old", {**RULE, "description": "x"}, {"notification": "old"}),
    ("DELETE", "/notification/old", None, {"notification": "old"}),
    ("POST", "/pause", {"operation": "node.*", "reason": "attack"}, {"paused": "operation node.*", "reason": "attack"}),
    ("DELETE", "/pause/{pause}", None, {"pause": "{pause}"}),
    ("POST", "/job/{job}/approve", {"plan_hash": "{plan_hash}"}, {"job": "{job}", "plan_hash": "{plan_hash}"}),
    ("POST", "/key", {"name": "new", "roles": ["read"]}, {"roles": ["read"]}),
]
_SCRIPT = {"type": "script", "script": "true", "language": "shell"}
CONFIGURATIONS: list[tuple[str, str, dict[str, Any] | None, dict[str, Any]]] = [
    ("POST", "/api/spark/configurations", {"id": "new", **_SCRIPT}, {"configuration": "new"}),
    ("PUT", "/api/apollo/spark/configurations/old", _SCRIPT, {"configuration": "old", "type": "script"}),
    ("DELETE", "/api/apps/x/spark/configurations/old", None, {"configuration": "old"}),
]
#: Every route has a second path.
WAYS = [(method, f"{'/api' if place % 2 else ''}{path}", *rest) for place, (method, path, *rest) in enumerate(CHANGES)]
WAYS += CONFIGURATIONS
PAGES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("/ui/schedule", {"name": "fresh", "cron": "@daily", "job": json.dumps(PING)}, {"schedule": "fresh"}),
    ("/ui/schedules/old/pause", {"reason": "attack"}, {"schedule": "old"}),
    ("/ui/schedules/old/resume", {}, {"schedule": "old"}),
    ("/ui/schedules/old/delete", {}, {"schedule": "old"}),
    ("/ui/notifications/old/delete", {}, {"notification": "old"}),
    ("/ui/files/old/delete", {}, {"object": "old"}),
    ("/ui/pauses/{pause}/end", {}, {"pause": "{pause}"}),
    ("/ui/jobs/{job}/approve", {"plan_hash": "{plan_hash}"}, {"job": "{job}", "plan_hash": "{plan_hash}"}),
    ("/ui/jobs/{job}/save", {"name": "fresh"}, {"saved": "fresh", "version": 1}),
]


@pytest.fixture(autouse=True)
def _a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_SECRET_AUDITED_HOOK", "whsec_" + base64.b64encode(bytes(32)).decode())


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return services_with(settings_in(tmp_path_factory.mktemp("state")), {})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Flask:
    return create_app(settings_in(tmp_path_factory.mktemp("api")), services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*", kind="user")


@pytest.fixture
def known(app: Flask, client: FlaskClient, services: Services) -> dict[str, str]:
    """Something of each kind to change, and what identifies it."""
    services.ledger.client.flushall()
    for hostname in ("web1", "web2"):
        services.agents.register(Registration(hostname, "boot", {}, {}, services.registry.types(), "1", 2))
    client.put("/target/old", json={"target": "web1"})
    for title in ("one", "two"):
        assert client.put("/saved/old", json={**PING, "title": title}).status_code in {200, 201}
    assert client.post("/schedule", json={"name": "old", "cron": "@daily", "job": PING}).status_code == 201
    assert client.put("/notification/old", json=RULE).status_code == 201
    assert client.put("/file/old", data=b"x", content_type="application/octet-stream").status_code == 201
    assert client.post("/api/spark/configurations", json={"id": "old", **_SCRIPT}).status_code == 200
    limited = act(app, "job:*", "agent:read", "shell:execute;max_hosts=1", name="carl", kind="user")
    beyond = {"operation": {"type": "script.shell.execute", "data": {"script": "true"}}, "target_hostname": "_all"}
    job = limited.post("/job", json=beyond).get_json()["job_id"]
    plan_hash = limited.get(f"/job/{job}").get_json()["approval"]["plan_hash"]
    act(app, "*", kind="user")
    pause = client.post("/pause", json={"tag": "team:web", "reason": "release"}).get_json()["id"]
    return {"job": job, "plan_hash": plan_hash, "pause": pause}


def filled(value: Any, known: dict[str, str]) -> Any:
    """``value`` with the names in braces replaced by what they identify."""
    if isinstance(value, dict):
        return {key: filled(one, known) for key, one in value.items()}
    return known.get(value[1:-1], value) if isinstance(value, str) and value.startswith("{") else value


def records(services: Services) -> dict[str, Any]:
    """All that the ledger holds, as text, without the trail."""
    ledger = services.ledger
    kept = (key for key in ledger.client.scan_iter("*") if "audit" not in key)
    return {key: ledger.client.dump(key) for key in kept}


def poison(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = services.ledger
    ledger.client.xadd(ledger.keys.kind("audit"), {"x": "y"}, id=LAST_ID)
    monkeypatch.setattr(ledger.audit, "repair", lambda: False)


def check(services: Services, known: dict[str, str], details: dict[str, Any], ask: Any) -> AuditEntry:
    """Ask for a change while it cannot be recorded, and again once it can be; returns its entry.

    Checks that nothing was changed before, and that there is exactly one entry.
    """
    before = records(services)
    with pytest.MonkeyPatch.context() as patched:
        poison(services, patched)
        assert ask().status_code == 503
        assert records(services) == before
    answer = ask()
    assert answer.status_code < 400, answer.text
    assert records(services) != before
    after_break = services.ledger.audit.after(0, 1000)
    first = next(place for place, one in enumerate(after_break) if one.content.result == BROKEN)
    (entry,) = [one.content for one in after_break[first + 1 :]]
    assert (entry.who, entry.result) == ("alice", "done")
    assert filled(details, known).items() <= dict(entry.details).items()
    return entry


@pytest.mark.parametrize(("method", "path", "body", "details"), WAYS)
def test_a_change_and_its_entry_are_one_step(
    client: FlaskClient,
    services: Services,
    known: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    details: dict[str, Any],
) -> None:
    path, body = path.format(**known), filled(body, known)
    entry = check(services, known, details, lambda: client.open(path, method=method, json=body))
    assert (entry.path, entry.method) == (path, method)


@pytest.mark.parametrize(("method", "path", "body", "details"), WAYS)
def test_a_change_whose_answer_is_lost_is_made_once(
    client: FlaskClient,
    services: Services,
    known: dict[str, str],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    details: dict[str, Any],
) -> None:
    path, body, before = path.format(**known), filled(body, known), records(services)
    newest = services.ledger.audit.newest(1)[0].number
    with lost_answers():
        answer = client.open(path, method=method, json=body)
    assert answer.status_code < 400, answer.text
    assert records(services) != before
    (entry,) = services.ledger.audit.after(newest, 1000)
    assert (entry.content.path, entry.content.result) == (path, "done")
    assert filled(details, known).items() <= dict(entry.content.details).items()


@pytest.mark.parametrize(("path", "form", "details"), PAGES)
def test_so_are_one_of_the_dashboard_and_its_entry(
    client: FlaskClient,
    services: Services,
    known: dict[str, str],
    path: str,
    form: dict[str, str],
    details: dict[str, Any],
) -> None:
    path, form, headers = path.format(**known), filled(form, known), {"Sec-Fetch-Site": "same-origin"}
    entry = check(services, known, details, lambda: client.post(path, data=form, headers=headers))
    assert (entry.path, entry.status) == (path, 303)


def test_every_name_is_that_of_a_route(app: Flask) -> None:
    assert {rule_name(name) for name in app.view_functions} >= ACCESS.keys()
