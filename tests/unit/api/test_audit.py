"""What goes into the audit trail, and what does not."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import audit
from api.app import create_app
from jobqueue.ledger.executions import Executions
from jobqueue.model.audit import AuditEntry, AuditRecord
from jobqueue.model.principal import system
from jobqueue.services.audit import AuditTrail
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN
from tests.unit.api.fakes import FakeServices, a_job, away
from tests.unit.api.shapes import GOOD, error

ID = "123e4567-e89b-42d3-a456-426614174000"


class Clock:
    """A clock that stands still, however slow the machine is."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which refusals are counted."""
    clock = Clock()
    monkeypatch.setattr(audit, "time", clock)
    return clock


@pytest.fixture
def own_app(services: FakeServices) -> Flask:
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, login_failures=1_000_000)
    return create_app(settings, services)  # type: ignore[arg-type]


@pytest.fixture
def client(own_app: Flask) -> FlaskClient:
    return own_app.test_client()


def entries(services: FakeServices) -> list[AuditRecord]:
    return services.audit_trail.after(0, 1000)


def last(services: FakeServices) -> AuditEntry:
    return services.audit_trail.newest(1)[0].content


def test_a_submission(client: FlaskClient, services: FakeServices) -> None:
    headers = {**AUTHORIZATION, "X-Request-Id": "req-1"}
    answer = client.post("/api/job", json=GOOD, headers=headers, environ_overrides={"REMOTE_ADDR": "10.1.2.3"})
    (entry,) = entries(services)
    assert entry.content == AuditEntry(
        who="admin",
        kind="token",
        address="10.1.2.3",
        method="POST",
        path="/api/job",
        status=201,
        result="done",
        request_id="req-1",
        details={"operation": "node.hostname.get", "target": "_any", "job": answer.get_json()["job_id"]},
    )
    assert abs(entry.at / 1_000_000 - time.time()) < 60


def test_who_by_a_key(client: FlaskClient, services: FakeServices) -> None:
    made, key = services.credentials.create_key(system("test"), "robot", ["read"])
    error(client.post("/job", json=GOOD, headers={"x-api-key": key}), 403)
    entry = last(services)
    assert (entry.who, entry.kind, entry.credential) == ("robot", "key", made.name)
    assert (entry.status, entry.result) == (403, "refused")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "result"),
    [
        ("POST", "/job", GOOD, 201, "done"),
        ("POST", "/job", {}, 400, "failed"),
        ("POST", "/job/batch", {"jobs": [GOOD, {}]}, 201, "done"),
        ("POST", f"/job/{ID}/retry", None, 201, "done"),
        ("POST", f"/job/{ID}/cancel", None, 409, "failed"),
        ("DELETE", f"/job/{ID}", None, 204, "done"),
        ("POST", "/agent/web1/drain", None, 200, "done"),
        ("POST", "/agent/nobody/drain", None, 404, "failed"),
        ("DELETE", "/agent/web1", None, 409, "failed"),
        ("POST", "/role", {"name": "r", "permissions": ["job:read"]}, 201, "done"),
    ],
)
def test_every_call_that_changes_something(
    client: FlaskClient, services: FakeServices, method: str, path: str, body: Any, status: int, result: str
) -> None:
    services.store[ID] = a_job()
    response = client.open(path, method=method, json=body, headers=AUTHORIZATION)
    assert response.status_code == status
    (entry,) = entries(services)
    assert (entry.content.method, entry.content.path) == (method, path)
    assert (entry.content.status, entry.content.result) == (status, result)


def test_a_batch_names_what_it_holds(client: FlaskClient, services: FakeServices) -> None:
    client.post("/job/batch", json={"jobs": [GOOD] * 30 + [{}]}, headers=AUTHORIZATION)
    details = last(services).details
    assert details["operations"] == ["node.hostname.get"]
    assert len(details["jobs"]) == 20
    assert (details["accepted"], details["refused"]) == (30, 1)


@pytest.mark.parametrize("path", ["/job", "/agent", "/operation", "/health", "/health/status", "/audit", "/nope"])
def test_reads_are_not_written_and_cost_nothing(
    client: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(services.audit_trail, "write", lambda entry: pytest.fail("a read was written"))
    client.get(path, headers=AUTHORIZATION)
    client.head(path, headers=AUTHORIZATION)
    client.options(path, headers=AUTHORIZATION)


def test_refused_reads_are_written(client: FlaskClient, services: FakeServices) -> None:
    error(client.get("/job"), 401)
    error(client.get("/job", headers={"Authorization": "Bearer wrong"}), 401)
    assert [(e.content.who, e.content.status, e.content.result) for e in entries(services)] == [
        ("", 401, "refused")
    ] * 2


def test_no_secret_gets_in(client: FlaskClient, services: FakeServices) -> None:
    canary = "canary-canary-canary"
    made = client.post("/key", json={"name": "k", "roles": ["read"]}, headers=AUTHORIZATION).get_json()["key"]
    client.post("/user", json={"name": "u", "password": canary, "roles": ["read"]}, headers=AUTHORIZATION)
    client.put("/user/u/password", json={"password": canary + "2"}, headers=AUTHORIZATION)
    client.get("/job", headers={"Authorization": f"Bearer {canary}"})
    client.post(f"/job?token={canary}", headers={"x-api-key": canary}, json={"operation": {"type": canary}})
    client.post("/job", headers=AUTHORIZATION, json={**GOOD, "operation": {"type": "x", "data": {"p": canary}}})
    text = str(entries(services)) + str(services.ledger.client.xrange(services.ledger.keys.kind("audit")))
    assert len(entries(services)) == 6
    for secret in (canary, made, TOKEN):
        assert secret not in text


def test_refusals_without_end_push_out_nothing(client: FlaskClient, services: FakeServices) -> None:
    """The trail is bounded; an attacker must not be able to empty it by being refused."""
    client.post("/job", json=GOOD, headers=AUTHORIZATION)
    for _ in range(200):
        client.get("/job")
    assert len(entries(services)) == 1 + 60
    # another client's are written
    client.get("/job", environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    assert len(entries(services)) == 62
    # and what changes something always is
    client.post("/job", json=GOOD, headers=AUTHORIZATION)
    assert last(services).status == 201


def test_failed_requests_of_unknown_clients_push_out_no_entry(client: FlaskClient, services: FakeServices) -> None:
    """A form that is not ours is answered with 400, and is a refusal all the same."""
    client.post("/job", json=GOOD, headers=AUTHORIZATION)
    for _ in range(150):
        assert client.post("/ui/sign-in", data={"a": "1"}).status_code == 400
    for _ in range(10):
        client.post("/ui/sign-in", data=b"x" * 20_000, content_type="application/x-www-form-urlencoded")
    assert len(entries(services)) == 1 + 60
    assert (last(services).result, last(services).status) == ("refused", 400)


def test_pages_that_lead_to_signing_in(client: FlaskClient, services: FakeServices) -> None:
    """Requests without credentials are not recorded; those with an invalid cookie or key are."""
    assert client.get("/").status_code == client.get("/ui/jobs").status_code == 303
    assert entries(services) == []
    client.set_cookie("jobqueue_session", "made-up")
    assert client.get("/ui/jobs").status_code == 303
    assert (last(services).status, last(services).result) == (303, "refused")
    client.delete_cookie("jobqueue_session")
    client.get("/", headers={"Authorization": "Bearer made-up"})
    assert len(entries(services)) == 2
    for _ in range(100):
        client.get("/", headers={"Authorization": "Bearer made-up"})
    assert len(entries(services)) == 60


def test_what_was_left_out_is_counted(client: FlaskClient, services: FakeServices, clock: Clock) -> None:
    for _ in range(100):
        client.get("/job")
    clock.now += 61
    client.get("/job")
    assert last(services).details == {"left_out": 40}


def test_when_it_cannot_be_written_the_log_has_it(
    client: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise away()

    monkeypatch.setattr(services.ledger.audit, "append", fail)
    with caplog.at_level(logging.ERROR, "jobqueue.audit"):
        assert client.post("/job", json=GOOD, headers=AUTHORIZATION).status_code == 201
    assert "SECURITY: not in the audit trail" in caplog.text
    assert "node.hostname.get" in caplog.text


def test_while_redis_is_away_no_request_waits_twice(
    client: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services.audit_trail, "write", lambda entry: pytest.fail("asked Redis again"))
    services.failure = away()
    with caplog.at_level(logging.ERROR, "jobqueue.audit"):
        assert client.post("/job", json=GOOD, headers=AUTHORIZATION).status_code == 503
    assert "not in the audit trail (Redis is unavailable)" in caplog.text


def test_long_and_strange_paths(client: FlaskClient, services: FakeServices) -> None:
    client.post("/job/" + "x" * 5000 + "/cancel", headers=AUTHORIZATION)
    assert len(last(services).path) == 300
    client.post("/agent/a%0d%0ab%1b[31m/drain", headers=AUTHORIZATION)
    assert last(services).path == "/agent/a\r\nb\x1b[31m/drain"
    assert services.audit_trail.verify().valid


def test_those_who_write_at_once_share_a_call(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is under way; all that come meanwhile go together in the next."""
    under_way, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    class Slow:
        def append(self, entries: list[AuditEntry]) -> None:
            calls.append(len(entries))
            under_way.set()
            assert go_on.wait(30)

    trail = AuditTrail(Slow())  # type: ignore[arg-type]
    entry = AuditEntry("a", "token", "", "POST", "/", 200, "done", "")
    threads = [threading.Thread(target=trail.write, args=(entry,)) for _ in range(11)]
    threads[0].start()
    assert under_way.wait(30)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 30
    while len(trail._waiting) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(thread.is_alive() for thread in threads), "a request was answered before its entry was written"
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert calls == [1, 10]


def test_concurrent_writers_are_all_answered(services: FakeServices) -> None:
    """Many write all the time; each is answered, and all is written once."""
    count, each = 8, 50
    trail = services.audit_trail

    def busy(who: str) -> None:
        for number in range(each):
            trail.write(AuditEntry(who, "token", "", "POST", "/", 200, "done", str(number)))

    threads = [threading.Thread(target=busy, args=(f"t{number}",)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    written = [(entry.content.who, entry.content.request_id) for entry in trail.after(0, 1000)]
    assert len(written) == len(set(written)) == count * each
    for number in range(count):
        assert [mark for who, mark in written if who == f"t{number}"] == [str(n) for n in range(each)]
    assert trail.verify().valid


def test_a_failure_wakes_everybody(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        time.sleep(0.05)  # long enough for others to come meanwhile
        raise away()

    monkeypatch.setattr(services.ledger.audit, "append", fail)
    entry = AuditEntry("a", "token", "", "POST", "/", 200, "done", "")
    threads = [threading.Thread(target=services.audit_trail.write, args=(entry,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    monkeypatch.undo()
    services.audit_trail.write(entry)
    assert services.audit_trail.total() == 1


# --- GET /audit -------------------------------------------------------------------------------------------------------


def test_reading_it(client: FlaskClient, services: FakeServices) -> None:
    for _ in range(5):
        client.post("/job", json=GOOD, headers=AUTHORIZATION)
    client.get("/job")
    body = client.get("/audit?limit=2", headers=AUTHORIZATION).get_json()
    assert (body["total"], [entry["number"] for entry in body["entries"]]) == (6, [6, 5])
    body = client.get("/audit?before=5&limit=2", headers=AUTHORIZATION).get_json()
    assert [entry["number"] for entry in body["entries"]] == [4, 3]
    body = client.get("/audit?after=4", headers=AUTHORIZATION).get_json()
    assert [entry["number"] for entry in body["entries"]] == [5, 6]
    body = client.get("/audit?who=admin", headers=AUTHORIZATION).get_json()
    assert len(body["entries"]) == 5
    error(client.get("/audit?after=1&who=x", headers=AUTHORIZATION), 400, "after")
    error(client.get("/audit?limit=0", headers=AUTHORIZATION), 400, field="limit")


def test_verifying_it(client: FlaskClient, services: FakeServices) -> None:
    client.post("/job", json=GOOD, headers=AUTHORIZATION)
    assert client.get("/audit/verify", headers=AUTHORIZATION).get_json() == {
        "valid": True,
        "entries": 1,
        "first": 1,
        "last": 1,
        "problems": [],
    }
    services.ledger.client.delete(services.ledger.keys.kind("audit"))
    body = client.get("/audit/verify", headers=AUTHORIZATION).get_json()
    assert not body["valid"]
    assert body["problems"]


CHANGES_OF_ACCESS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/key", {"name": "new", "roles": ["read"]}),
    ("POST", "/user", {"name": "bob", "roles": ["read"]}),
    ("PUT", "/user/alice/password", None),
    ("POST", "/user/alice/disable", None),
    ("DELETE", "/user/alice", None),
    ("POST", "/role", {"name": "ops", "permissions": ["job:read"]}),
    ("POST", "/agent/invite", {}),
    ("POST", "/agent/bundle", {"hostname": "web9"}),
    # each of these routes is served a second time
    ("POST", "/api/key", {"name": "new", "roles": ["read"]}),
    ("POST", "/api/user/alice/disable", None),
    ("POST", "/api/agent/bundle", {"hostname": "web9"}),
]


@pytest.fixture
def unwritable(client: FlaskClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> FakeServices:
    """A trail that is poisoned, and that cannot be repaired either."""
    client.post("/user", json={"name": "alice", "roles": ["read"]}, headers=AUTHORIZATION)
    ledger = services.ledger
    ledger.client.xadd(ledger.keys.kind("audit"), {"x": "y"}, id="18446744073709551615-18446744073709551614")
    monkeypatch.setattr(ledger.audit, "repair", lambda: False)
    return services


@pytest.mark.parametrize(("method", "path", "body"), CHANGES_OF_ACCESS)
def test_access_is_not_changed_while_that_cannot_be_recorded(
    client: FlaskClient, unwritable: FakeServices, method: str, path: str, body: dict[str, Any] | None
) -> None:
    ledger = unwritable.ledger
    kinds = [ledger.keys.kind(kind) for kind in ("credentials", "roles")]
    before = [ledger.client.hgetall(kind) for kind in kinds]
    answer = client.open(path, method=method, json=body, headers=AUTHORIZATION)
    error(answer, 503, "cannot be recorded in the audit trail")
    assert int(answer.headers["Retry-After"]) > 0
    assert [ledger.client.hgetall(kind) for kind in kinds] == before
    assert "token" not in answer.get_json()
    assert "bundle" not in answer.get_json()


def test_a_trail_that_cannot_be_written_shows_in_the_status(client: FlaskClient, unwritable: FakeServices) -> None:
    body = client.get("/health/status", headers=AUTHORIZATION).get_json()
    assert body["status"] == "failing"
    assert body["components"]["audit"]["status"] == "unwritable"
    assert "18446744073709551615-18446744073709551614" in body["components"]["audit"]["reason"]
    assert client.get("/health/ready").status_code == 200


def test_a_poisoned_trail_repairs_itself_and_misses_no_change_of_access(
    client: FlaskClient, services: FakeServices
) -> None:
    client.post("/role", json={"name": "one", "permissions": ["job:read"]}, headers=AUTHORIZATION)
    ledger = services.ledger
    ledger.client.xadd(ledger.keys.kind("audit"), {"x": "y"}, id="18446744073709551615-18446744073709551614")
    assert client.post("/key", json={"name": "k", "roles": ["admin"]}, headers=AUTHORIZATION).status_code == 201
    assert [entry.content.path or entry.content.result for entry in entries(services)] == ["/role", "broken", "/key"]
    verdict = client.get("/audit/verify", headers=AUTHORIZATION).get_json()
    assert not verdict["valid"]
    assert "was broken after entry 1" in verdict["problems"][0]
    alerts = Executions.alerts(ledger.executions)  # the fake answers with one of its own
    assert [alert.kind for alert in alerts] == ["records_altered"]
    assert client.get("/health/status", headers=AUTHORIZATION).get_json()["components"]["audit"] == {"status": "ok"}
