"""/pause over real services, and what jobs, health and metrics say of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.ledger.executions import Claim
from jobqueue.model.timestamps import to_iso
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in

UPTIME = "node.uptime.get"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {"group": "web", "zone": "a"}, "web2": {"group": "web", "zone": "b"}})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*")


def pause(client: FlaskClient, **body: Any) -> Any:
    return client.post("/pause", json={"reason": "the disk is being replaced", **body})


def submit(client: FlaskClient, target: str, **more: Any) -> str:
    answer = client.post("/job", json={"operation": {"type": UPTIME}, "target_hostname": target, **more})
    assert answer.status_code == 201, answer.json
    return str(answer.json["job_id"])


def claim(services: Services, job_id: str, host: str) -> Any:
    return services.ledger.executions.claim(job_id, host, host, "token")


def test_begin_list_and_end(client: FlaskClient, services: Services) -> None:
    begun = pause(client, operation="node.*")
    assert begun.status_code == 201
    job_id = submit(client, "web1")
    assert claim(services, job_id, "web1").state == "paused"
    (found,) = client.get("/pause").json["pauses"]
    assert found == {**begun.json, "held_back": 1}
    assert {name: found[name] for name in ("kind", "value", "what", "reason", "created_by", "until", "hosts")} == {
        "kind": "operation",
        "value": "node.*",
        "what": "operation node.*",
        "reason": "the disk is being replaced",
        "created_by": "alice",
        "until": None,
        "hosts": 0,
    }
    assert client.delete(f"/pause/{found['id']}").status_code == 204
    assert client.get("/pause").json == {"pauses": [], "total": 0}
    again = client.delete(f"/pause/{found['id']}")
    assert again.status_code == 404
    assert f"No pause has the id {found['id']}" in again.json["error"]


def test_a_job_says_why_it_waits(client: FlaskClient, services: Services) -> None:
    pause(client, tag="team:web")
    pause(client, target="zone:b")
    pause(client, operation="command.exec.execute")
    first, second, third = submit(client, "web1", tags={"team": "web"}), submit(client, "web2"), submit(client, "web1")
    for job_id, expected in ((first, ["tag team:web"]), (second, ["target zone:b"]), (third, [])):
        assert [one["what"] for one in client.get(f"/job/{job_id}").json.get("paused_by", [])] == expected
    assert claim(services, second, "web2").state == "paused"
    assert client.get(f"/job/{second}").json["agent_states"]["web2"]["held_by"] == "pause"
    page = act(client.application, "*").get(f"/ui/jobs/{second}").get_data(as_text=True)
    assert "Waits: target zone:b is paused by alice: the disk is being replaced" in page


def test_health_metrics_and_dashboard_say_it(client: FlaskClient, services: Services) -> None:
    found = pause(client, everything=True, reason="a <b>migration</b>").json
    claim(services, submit(client, "web1"), "web1")
    assert client.get("/health/status").json["pauses"] == [{**found, "held_back": 1}]
    numbers = client.get("/metrics").get_data(as_text=True)
    assert "jobqueue_pauses 1.0" in numbers
    assert "jobqueue_executions_paused 1.0" in numbers
    page = client.get("/").get_data(as_text=True)
    assert "<strong>everything</strong>" in page
    assert "a &lt;b&gt;migration&lt;/b&gt;" in page
    assert f"/ui/pauses/{found['id']}/end" in page
    reader = act(client.application, "job:read", "agent:read").get("/").get_data(as_text=True)
    assert "everything" in reader
    assert "/ui/pauses/" not in reader


def test_with_a_rate_so_many_start(client: FlaskClient, services: Services) -> None:
    begun = pause(client, operation="node.*", rate="1/h").json
    assert (begun["what"], begun["rate"]) == ("operation node.* above 1/h", "1/h")
    first, second = submit(client, "web1"), submit(client, "web2")
    assert isinstance(claim(services, first, "web1"), Claim)
    assert claim(services, second, "web2").state == "paused"
    assert client.get("/pause").json["pauses"] == [{**begun, "held_back": 1}]
    assert client.get(f"/job/{second}").json["paused_by"][0]["what"] == "operation node.* above 1/h"


def test_all_hosts_are_everything(client: FlaskClient) -> None:
    assert pause(client, target="_all").json["what"] == "everything"


def test_hosts_are_counted(client: FlaskClient) -> None:
    found = pause(client, target="group:web and not zone:a").json
    assert (found["value"], found["hosts"]) == ("group:web and not zone:a", 1)


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({}, "everything", "exactly one"),
        ({"operation": UPTIME, "tag": "a:b"}, "everything", "not operation and tag"),
        ({"everything": False}, "everything", ""),
        ({"everything": True, "reason": None}, "reason", "null"),
        ({"everything": True, "reason": ""}, "reason", "characters"),
        ({"everything": True, "reason": "  "}, "reason", "Give a reason"),
        ({"everything": True, "reason": "a\nb"}, "reason", "one line"),
        ({"everything": True, "reason": "x" * 501}, "reason", "500"),
        ({"everything": True, "until": "2020-01-01"}, "until", "future"),
        ({"everything": True, "rate": "0/s"}, "rate", "such as 50/s"),
        ({"everything": True, "rate": "5/d"}, "rate", "such as 50/s"),
        ({"everything": True, "rate": 5}, "rate", "string"),
        ({"everything": True, "rate": None}, "rate", "null"),
        ({"everything": True, "until": "soon"}, "until", "ISO 8601"),
        ({"everything": True, "untill": "2030-01-01"}, "untill", ""),
        ({"tag": "web"}, "tag", "key:value"),
        ({"tag": "a\nb:c"}, "tag", "control"),
        ({"operation": "node.uptime.gett"}, "operation", "node.uptime.get"),
        ({"operation": "nothing.*"}, "operation", "'nothing.'"),
        ({"target": "_any"}, "target", "_any"),
        ({"target": "group:wbe"}, "", "group:web"),
        ({"target": "nosuch"}, "", "nosuch"),
    ],
)
def test_bad_input(client: FlaskClient, body: dict[str, Any], field: str, sentence: str) -> None:
    answer = pause(client, **body)
    assert answer.status_code == 400
    assert sentence in str(answer.json)
    assert any(name.startswith(field) for name in answer.json.get("details") or {"": ""})
    assert client.get("/pause").json["total"] == 0


def test_a_reason_is_required(client: FlaskClient) -> None:
    answer = client.post("/pause", json={"everything": True})
    assert (answer.status_code, list(answer.json["details"])) == (400, ["reason"])


@pytest.mark.parametrize("pause_id", ["nonsense", "00000000%0a", "..", "A" * 8])
def test_bad_ids(client: FlaskClient, pause_id: str) -> None:
    assert client.delete(f"/pause/{pause_id}").status_code in (400, 404, 405)


def test_one_that_has_run_out_is_not_shown(client: FlaskClient) -> None:
    soon = to_iso(int((time.time() + 0.3) * 1e6))
    assert pause(client, everything=True, until=soon).status_code == 201
    deadline = time.monotonic() + 10
    while client.get("/pause").json["total"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_is_audited(client: FlaskClient) -> None:
    found = pause(client, everything=True).json
    client.delete(f"/pause/{found['id']}")
    ended, begun = client.get("/audit").json["entries"][:2]
    assert (begun["who"], begun["method"], begun["path"]) == ("alice", "POST", "/pause")
    assert begun["details"] == {"pause": found["id"], "paused": "everything", "reason": "the disk is being replaced"}
    assert (ended["method"], ended["path"]) == ("DELETE", f"/pause/{found['id']}")


def test_permissions(app: Flask) -> None:
    found = pause(act(app, "pause:write"), everything=True)
    assert found.status_code == 201
    reader = act(app, "job:read")
    assert reader.get("/pause").status_code == 200
    assert pause(reader, everything=True).status_code == 403
    assert reader.delete(f"/pause/{found.json['id']}").status_code == 403
