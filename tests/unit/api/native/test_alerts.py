"""/alert over real services, and what health, metrics and the overview say of acknowledged alerts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.alert import AGENTS_LOST, WORK_REFUSED
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    found = services_with(settings, {"web1": {}})
    found.ledger.executions.alert(WORK_REFUSED, "", "web1", "an invalid signature")
    found.ledger.executions.alert("connections_scarce", "", "", "90 of 100 connections are in use")
    found.ledger.executions.alert(WORK_REFUSED, "", "web2", "an <i>expired</i> signature")
    return found


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*")


def group(client: FlaskClient, kind: str = WORK_REFUSED) -> dict[str, Any]:
    return next(one for one in client.get("/alert").get_json()["items"] if one["kind"] == kind)


def acknowledge(client: FlaskClient, kind: str = WORK_REFUSED, **body: Any) -> Any:
    return client.post(f"/alert/{kind}/acknowledge", json=body)


def test_alerts_are_listed_by_kind(client: FlaskClient) -> None:
    answer = client.get("/alert").get_json()
    assert (answer["total"], answer["unacknowledged"]) == (2, 2)
    assert [(one["kind"], one["count"]) for one in answer["items"]] == [(WORK_REFUSED, 2), ("connections_scarce", 1)]
    first = answer["items"][0]
    assert (first["message"], first["hostname"]) == ("an <i>expired</i> signature", "web2")
    assert (first["hosts"], first["acknowledged"], first["acknowledgement"]) == (["web2", "web1"], False, None)
    assert first["first"] <= first["last"]


def test_an_acknowledgement_holds_until_the_next_alert_of_the_kind(client: FlaskClient, services: Services) -> None:
    seen = group(client)
    done = acknowledge(client, version=seen["version"], note="key of web2 was replaced, OPS-12")
    assert done.status_code == 200
    assert done.get_json() == group(client)
    found = done.get_json()["acknowledgement"]
    assert (found["by"], found["note"]) == ("alice", "key of web2 was replaced, OPS-12")
    assert client.get("/alert").get_json()["unacknowledged"] == 1
    assert [one["kind"] for one in client.get("/alert").get_json()["items"]] == ["connections_scarce", WORK_REFUSED]
    services.ledger.executions.alert("connections_scarce", "", "", "95 of 100 connections are in use")
    assert group(client)["acknowledged"] is True  # an alert of another kind
    services.ledger.executions.alert(WORK_REFUSED, "", "web1", "an invalid signature")
    lapsed = group(client)
    assert (lapsed["acknowledged"], lapsed["acknowledgement"]) == (False, found)


def test_an_updated_outage_is_not_acknowledged_any_more(client: FlaskClient, services: Services) -> None:
    services.ledger.outages.report(1_700_000_000_000_000, AGENTS_LOST, "3 agents stopped answering")
    acknowledge(client, AGENTS_LOST)
    assert group(client, AGENTS_LOST)["acknowledged"] is True
    services.ledger.outages.report(1_700_000_000_000_000, AGENTS_LOST, "7 agents stopped answering")
    assert group(client, AGENTS_LOST)["acknowledged"] is False


def test_alerts_that_changed_since_they_were_seen_are_not_acknowledged(client: FlaskClient, services: Services) -> None:
    seen = group(client)["version"]
    services.ledger.executions.alert(WORK_REFUSED, "", "db1", "a third one")
    refused = acknowledge(client, version=seen)
    assert refused.status_code == 409
    assert "have changed since version" in refused.get_json()["error"]
    assert group(client)["acknowledged"] is False


def test_reopened(client: FlaskClient) -> None:
    acknowledge(client)
    again = client.delete(f"/alert/{WORK_REFUSED}/acknowledge")
    assert (again.status_code, again.get_json()) == (200, group(client))
    assert group(client)["acknowledgement"] is None
    assert client.delete(f"/alert/{WORK_REFUSED}/acknowledge").status_code == 200  # nothing to take back


def test_an_acknowledgement_whose_alerts_are_gone_is_removed(client: FlaskClient, services: Services) -> None:
    acknowledge(client)
    services.ledger.client.ltrim(services.ledger.keys.kind("alerts"), 1, 1)  # only connections_scarce is left
    assert set(services.ledger.acknowledgements.all()) == {WORK_REFUSED}
    acknowledge(client, "connections_scarce")
    assert set(services.ledger.acknowledgements.all()) == {"connections_scarce"}


def test_a_record_that_the_api_did_not_write_acknowledges_nothing(client: FlaskClient, services: Services) -> None:
    acknowledge(client)
    key = services.ledger.keys.kind("acknowledged")
    sealed = services.ledger.client.hget(key, WORK_REFUSED)
    assert isinstance(sealed, str)
    services.ledger.client.hset(key, WORK_REFUSED, sealed.replace("alice", "carol"))
    services.ledger.client.hset(key, "connections_scarce", sealed)  # that of another kind
    answer = client.get("/alert").get_json()
    assert not any(one["acknowledged"] for one in answer["items"])
    assert "records_altered" in {one["kind"] for one in client.get("/alert").get_json()["items"]}


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize("kind", ["work_refuse", "x" * 300, "%00", "..%2f", "%3Cb%3E"])
def test_a_kind_without_alerts(client: FlaskClient, method: str, kind: str) -> None:
    body = {"json": {}} if method == "post" else {}
    answer = getattr(client, method)(f"/alert/{kind}/acknowledge", **body)
    assert answer.status_code == 404, answer.get_json()


def test_an_unknown_kind_names_those_there_are(client: FlaskClient) -> None:
    answer = acknowledge(client, "work_refuse")
    assert answer.get_json()["error"] == (
        "No alerts of kind 'work_refuse' exist; kinds with alerts: connections_scarce, work_refused."
    )
    assert answer.get_json()["code"] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"version": ""}, "version"),
        ({"version": 7}, "version"),
        ({"note": "two\nlines"}, "note"),
        ({"note": "x" * 501}, "note"),
        ({"note": None}, "note"),
        ({"notes": "x"}, "notes"),
        ([], ""),
    ],
)
def test_bad_input(client: FlaskClient, body: Any, field: str) -> None:
    answer = client.post(f"/alert/{WORK_REFUSED}/acknowledge", json=body)
    assert answer.status_code == 400, answer.get_json()
    assert field in str(answer.get_json())
    assert group(client)["acknowledged"] is False


def test_permissions(app: Flask) -> None:
    reader, other = act(app, "metrics:read", name="reader"), f"/alert/{WORK_REFUSED}/acknowledge"
    assert reader.get("/alert").status_code == 200
    assert reader.post(other, json={}).status_code == 403
    assert "/ui/alerts/" not in reader.get("/").get_data(as_text=True)
    assert act(app, "alert:write").post(other, json={}).status_code == 200
    assert act(app, "job:read").get("/alert").status_code == 403


def test_health_and_metrics(client: FlaskClient) -> None:
    acknowledge(client)
    shown = client.get("/health/status").get_json()["alerts"]
    assert [(one["kind"], one["acknowledged"]) for one in shown] == [
        (WORK_REFUSED, True),
        ("connections_scarce", False),
        (WORK_REFUSED, True),
    ]
    numbers = client.get("/metrics").get_data(as_text=True)
    assert 'jobqueue_alerts{acknowledged="yes",kind="work_refused"} 2.0' in numbers
    assert 'jobqueue_alerts{acknowledged="no",kind="connections_scarce"} 1.0' in numbers


def test_a_kind_that_an_agent_made_up_is_no_label_of_metrics(client: FlaskClient, services: Services) -> None:
    services.ledger.executions.alert("made_up", "", "web1", "hello")
    numbers = client.get("/metrics").get_data(as_text=True)
    assert 'jobqueue_alerts{acknowledged="no",kind="other"} 1.0' in numbers
    assert "made_up" not in numbers


def test_the_overview_acknowledges_what_it_shows(client: FlaskClient, services: Services) -> None:
    page = client.get("/").get_data(as_text=True)
    assert "an &lt;i&gt;expired&lt;/i&gt; signature" in page
    form = BeautifulSoup(page, "html.parser").find("form", action=f"/ui/alerts/{WORK_REFUSED}/acknowledge")
    assert form is not None
    fields = {field["name"]: field.get("value", "") for field in form.find_all("input")}
    assert fields["version"] == group(client)["version"]
    services.ledger.executions.alert(WORK_REFUSED, "", "db1", "a third one")
    assert client.post(form["action"], data=fields).status_code == 409
    fields["version"] = group(client)["version"]
    assert client.post(form["action"], data={**fields, "note": "two\nlines"}).status_code == 400
    assert client.post(form["action"], data={**fields, "note": "OPS-12"}).status_code == 303
    shown = BeautifulSoup(client.get("/").get_data(as_text=True), "html.parser")
    folded = shown.find("details", id="acknowledged")
    assert folded is not None
    assert re.search(r"Acknowledged by alice, just now: OPS-12", " ".join(folded.get_text().split()))
    assert client.post(f"/ui/alerts/{WORK_REFUSED}/reopen").status_code == 303
    assert group(client)["acknowledged"] is False


def test_it_is_in_the_audit_trail(client: FlaskClient) -> None:
    acknowledge(client, note="OPS-12")
    entry = client.get("/audit?limit=1").get_json()["entries"][0]
    assert (entry["who"], entry["details"]["alert"], entry["details"]["note"]) == (
        "alice",
        WORK_REFUSED,
        "OPS-12",
    )
