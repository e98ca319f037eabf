"""/notification, over real services and a real receiver."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from standardwebhooks.webhooks import Webhook

from api.app import create_app
from jobqueue.model.notification import EVENTS
from jobqueue.services import Services
from jobqueue.services.notifications.deliverer import Deliverer
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in
from tests.unit.services.notifications.receiver import WebhookReceiver, status

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
URL_SECRET = "https://hooks.example.org/T0PSECRET"
HOOK = {"type": "webhook", "url": "https://hooks.example.org/x", "secret": {"$secret": "hook-key"}}
RULE = {"events": ["job.failed", "job.partial_failure"], "channel": HOOK}
TEAM = ("notification:*", "job:read", "secret:use")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_SECRET_HOOK_KEY", SECRET)
    monkeypatch.setenv("JOBQUEUE_SECRET_HOOK_URL", URL_SECRET)
    monkeypatch.setenv("JOBQUEUE_SECRET_PASSWORD", "hunter2hunter2")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return replace(settings_in(tmp_path_factory.mktemp("state")), notification_hosts=("127.0.0.1",))


@pytest.fixture(scope="module")
def all_services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {}})


@pytest.fixture(scope="module")
def app(settings: Settings, all_services: Services) -> Flask:
    return create_app(settings, all_services)


@pytest.fixture
def services(all_services: Services) -> Services:
    """The services over an empty ledger."""
    all_services.ledger.client.flushall()
    return all_services


@pytest.fixture
def client(app: Flask, services: Services) -> FlaskClient:
    return act(app, "*")


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as started:
        yield started


def put(client: FlaskClient, name: str = "on-call", **fields: Any) -> Any:
    answer = client.put(f"/notification/{name}", json={**RULE, **fields})
    assert answer.status_code in {200, 201}, answer.text
    return answer.json


def refused(client: FlaskClient, body: Any, name: str = "n") -> str:
    answer = client.put(f"/notification/{name}", json=body)
    assert answer.status_code == 400, answer.text
    assert SECRET not in answer.text
    assert "hunter2" not in answer.text
    return str(answer.get_json()["error"])


def test_put_get_list_delete(client: FlaskClient) -> None:
    wanted = {"hosts": ["web1"], "operations": ["op.*"], "tags": {"stage": "prod"}}
    quiet = [{"cron": "0 22 * * *", "duration": "8h"}]
    stored = put(client, filter=wanted, group="5m", quiet_hours=quiet, time_zone="Europe/Berlin", description="x")
    assert (stored["name"], stored["owner"], stored["channel"]) == ("on-call", "alice", HOOK)
    assert (stored["filter"], stored["group"], stored["quiet_hours"]) == (wanted, "5m", quiet)
    assert (stored["delivered"], stored["dead_letters"], stored["pause"]) == (0, 0, None)
    assert client.put("/notification/on-call", json=RULE).status_code == 200
    found: Any = client.get("/notification/on-call").json
    assert (found["filter"], found["group"], found["time_zone"]) == ({}, "0s", "UTC")
    put(client, "a")
    first: Any = client.get("/notification?limit=1").json
    assert ([one["name"] for one in first["notifications"]], first["total"]) == (["a"], 2)
    second: Any = client.get("/notification", query_string={"cursor": first["next_cursor"]}).json
    assert [one["name"] for one in second["notifications"]] == ["on-call"]
    assert client.delete("/notification/a").status_code == 204
    for method, path in (("GET", "/a"), ("DELETE", "/a"), ("POST", "/a/test"), ("GET", "/a/dead-letters")):
        answer = client.open(f"/notification{path}", method=method)
        assert answer.status_code == 404
        assert "No notification rule has the name 'a'" in answer.get_json()["error"]


def test_dry_run(client: FlaskClient) -> None:
    answer: Any = client.put("/notification/n?dry_run=true", json=RULE).json
    assert answer["change"] == "created"
    assert client.get("/notification/n").status_code == 404
    put(client, "n")
    assert client.put("/notification/n?dry_run=true", json=RULE).get_json()["change"] == "unchanged"
    changed: Any = client.put("/notification/n?dry_run=true", json={**RULE, "paused": "moving"}).json
    assert (changed["change"], changed["changes"]) == (
        "changed",
        [{"field": "paused", "before": None, "after": "moving"}],
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"events": ["job.broken"]}, "Unknown event 'job.broken'"),
        ({"events": []}, "1 to 20"),
        ({"events": "job.failed"}, "Must be a list"),
        ({"channel": {**HOOK, "type": "pigeon"}}, "Unknown channel; must be one of webhook"),
        ({"channel": {**HOOK, "url": "https://user:hunter2hunter2@hooks.example.org/"}}, "contains credentials"),
        ({"channel": {**HOOK, "url": "ftp://hooks.example.org/"}}, "must be https://"),
        ({"channel": {**HOOK, "url": "https://10.0.0.1/"}}, "JOBQUEUE_NOTIFICATION_HOSTS allows hosts by name"),
        ({"channel": {**HOOK, "url": 5}}, "Must be a URL"),
        ({"channel": {**HOOK, "secret": SECRET}}, '{"$secret": "name"}'),
        ({"channel": {**HOOK, "secret": {"$secret": "missing"}}}, "JOBQUEUE_SECRET_MISSING"),
        ({"channel": {**HOOK, "secret": {"$secret": "password"}}}, "not a key of Standard Webhooks"),
        ({"channel": {**HOOK, "secret": {"$secret": "../x"}}}, "1 to 128 letters"),
        ({"channel": {"type": "webhook", "url": "https://hooks.example.org/"}}, "name the key that signs"),
        ({"channel": {"type": "apprise", "url": "mailtos://user:pass@smtp.example.org"}}, "holds its password"),
        ({"channel": {"type": "apprise", "url": {"$secret": "missing"}}}, "JOBQUEUE_SECRET_MISSING"),
        ({"channel": {"type": "apprise", "url": {"$secret": "password"}}}, "must be the Apprise URL of one service"),
        ({"filter": {"host": ["web1"]}}, "did you mean hosts"),
        ({"filter": {"tags": {"a:b": "c"}}}, "without colons"),
        ({"group": "2h"}, "from 0s to 1h"),
        ({"quiet_hours": [{"cron": "0 61 * * *", "duration": "8h"}]}, "quiet_hours"),
        ({"time_zone": "Europe/Atlantis"}, "Atlantis"),
        ({"managed_by": " "}, "managed_by"),
    ],
)
def test_bad_input(client: FlaskClient, change: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(client, {**RULE, **change})


def test_bad_names(client: FlaskClient) -> None:
    assert "1 to 64 letters" in refused(client, RULE, "-x")


def test_secrets_are_shown_by_name_only(client: FlaskClient, services: Services) -> None:
    put(client, channel={**HOOK, "url": {"$secret": "hook-url"}})
    assert client.get("/notification/on-call").get_json()["channel"]["url"] == {"$secret": "hook-url"}
    texts = [client.get(path).text for path in ("/notification", "/notification/on-call", "/audit")]
    texts += [str(services.ledger.client.hgetall("jobqueue:notification:on-call"))]
    assert not any("T0PSECRET" in text or SECRET in text for text in texts)


@pytest.mark.usefixtures("services")
def test_permissions(app: Flask) -> None:
    put(act(app, *TEAM))
    assert act(app, "notification:write", "secret:use").put("/notification/n", json=RULE).status_code == 403
    assert act(app, "notification:write", "job:read").put("/notification/n", json=RULE).status_code == 403
    assert act(app, *TEAM).put("/notification/n", json={**RULE, "events": ["alert.raised"]}).status_code == 403
    assert act(app, "notification:read").get("/notification").status_code == 200
    assert act(app, "notification:read").get("/notification/on-call/dead-letters").status_code == 403
    assert act(app, *TEAM).get("/notification/on-call/dead-letters").status_code == 200
    for path in ("test", "resend"):
        assert act(app, "notification:read", "job:read").post(f"/notification/on-call/{path}").status_code == 403
    needed = {permission for event, permission in EVENTS.items() if event != "alert.raised"}
    everything = {**RULE, "events": ["*"]}
    assert act(app, *TEAM, *needed).put("/notification/n", json=everything).status_code == 403
    assert act(app, *TEAM, *needed, "metrics:read").put("/notification/n", json=everything).status_code == 201


def test_a_test_message(client: FlaskClient, receiver: WebhookReceiver) -> None:
    put(client, channel={**HOOK, "url": receiver.url})
    assert client.post("/notification/on-call/test").get_json() == {"sent": 1, "left": 0, "error": ""}
    ((_, headers, body),) = receiver.requests
    assert Webhook(SECRET).verify(body, headers)["type"] == "notification.test"
    receiver.answer = status(500)
    answer = client.post("/notification/on-call/test")
    assert (answer.status_code, answer.get_json()["sent"]) == (200, 0)
    assert answer.get_json()["error"] == "The receiver answered 500."


def test_dead_letters_are_sent_again(client: FlaskClient, services: Services, receiver: WebhookReceiver) -> None:
    put(client, events=["alert.raised"], channel={**HOOK, "url": receiver.url})
    receiver.answer = status(410)
    services.ledger.executions.alert("results_forged", "", "web1", "forged")
    deliverer = Deliverer(services.ledger, services.channels, OwnerReader(services.ledger.credentials))
    while deliverer.step("on-call"):
        pass
    found: Any = client.get("/notification/on-call").json
    assert (found["dead_letters"], found["deliveries"][0]["result"]) == (1, "dead")
    assert "410" in found["pause"]["reason"]
    (letter,) = client.get("/notification/on-call/dead-letters").get_json()["dead_letters"]
    assert (letter["event"], letter["error"]) == ("alert.raised", "The receiver answered 410 Gone.")
    assert client.post("/notification/on-call/resend", json={"id": "other"}).status_code == 404
    receiver.answer = status(204)
    answer: Any = client.post("/notification/on-call/resend", json={"id": letter["id"]}).json
    assert answer == {"sent": 1, "left": 0, "error": ""}
    bodies = [(headers["webhook-id"], json.loads(body)) for _, headers, body in receiver.requests]
    assert bodies[0] == bodies[-1] == (letter["id"], letter["content"])
    metrics = client.get("/metrics").text
    assert 'jobqueue_notification_attempts_total{result="dead"} 1.0' in metrics
    assert "jobqueue_dead_letters 0.0" in metrics
