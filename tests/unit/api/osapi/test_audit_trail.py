from __future__ import annotations

from flask import Flask

from jobqueue.model.audit import AuditEntry
from jobqueue.services import Services
from tests.unit.api.osapi.shapes import refused
from tests.unit.api.over_a_ledger import act


def write(services: Services, count: int) -> None:
    for number in range(1, count + 1):
        entry = AuditEntry(
            "ada", "user", "10.0.0.1", "POST", f"/job/{number}", 201, "done", f"r{number}", details={"operation": "x.y"}
        )
        services.audit_trail.write(entry)


def paths(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["path"] for item in body["items"]]


def test_pages(app: Flask, services: Services) -> None:
    write(services, 7)
    client = act(app, "audit:read")
    first = client.get("/api/audit?limit=3").get_json()
    assert (first["total_items"], paths(first)) == (7, ["/job/7", "/job/6", "/job/5"])
    assert paths(client.get("/api/audit?limit=3&offset=3").get_json()) == ["/job/4", "/job/3", "/job/2"]
    assert paths(client.get("/api/audit?limit=3&offset=6").get_json()) == ["/job/1"]
    assert paths(client.get("/api/audit?offset=7").get_json()) == []
    assert len(paths(client.get("/api/audit").get_json())) == 7
    for query in ("limit=0", "limit=101", "limit=x", "offset=-1", "before=3"):
        refused(client.get(f"/api/audit?{query}"), 400, query.partition("=")[0])


def test_an_offset_behind_the_oldest_entry(app: Flask, services: Services) -> None:
    """The trail is bounded: what it no longer holds must not be replaced by newer entries."""
    write(services, 9)
    services.ledger.client.xtrim(services.ledger.keys.kind("audit"), maxlen=4, approximate=False)
    client = act(app, "audit:read")
    assert paths(client.get("/api/audit?limit=3&offset=2").get_json()) == ["/job/7", "/job/6"]
    assert paths(client.get("/api/audit?limit=3&offset=5").get_json()) == []


def test_an_empty_trail(app: Flask) -> None:
    client = act(app, "audit:read")
    assert client.get("/api/audit").get_json() == {"total_items": 0, "items": []}
    assert client.get("/api/audit/export").get_json() == {"total_items": 0, "items": []}


def test_one_entry(app: Flask, services: Services) -> None:
    write(services, 2)
    client = act(app, "audit:read")
    newest = client.get("/api/audit?limit=1").get_json()["items"][0]
    assert client.get(f"/api/audit/{newest['id']}").get_json() == {"entry": newest}
    assert (newest["user"], newest["method"], newest["response_code"]) == ("ada", "POST", 201)
    assert (newest["source_ip"], newest["trace_id"], newest["operation_id"]) == ("10.0.0.1", "r2", "x.y")
    for unknown in ("00000000-0000-4000-8000-0000000000ff", "123e4567-e89b-42d3-a456-426614174000"):
        refused(client.get(f"/api/audit/{unknown}"), 404, unknown)
    assert "id" in refused(client.get("/api/audit/nope"), 400, "UUID")["details"]


def test_export(app: Flask, services: Services) -> None:
    write(services, 12)
    body = act(app, "audit:read").get("/api/audit/export").get_json()
    assert body["total_items"] == 12
    assert paths(body) == [f"/job/{number}" for number in range(1, 13)]


def test_the_native_check_of_the_trail_stays(app: Flask) -> None:
    assert act(app, "audit:read").get("/api/audit/verify").get_json()["valid"] is True


def test_reading_needs_its_permission(app: Flask) -> None:
    for path in ("", "/export", "/00000000-0000-4000-8000-000000000001"):
        refused(act(app, "job:*", "agent:*").get(f"/api/audit{path}"), 403, "audit:read")
