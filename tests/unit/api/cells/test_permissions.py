"""Who may do what at a front: every route for every role, and what it does not serve."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import jwt
import pytest

from api.auth import gate
from api.auth.rules import KNOWN, PUBLIC, rule_name, rule_of
from jobqueue.model.principal import Principal
from tests.unit.api.cells.conftest import CellSite, FrontSite
from tests.unit.api.conftest import AUTHORIZATION

ID = "123e4567-e89b-12d3-a456-426614174000"
SERVED = {
    *("job.submit", "job.list_jobs", "job.get_job", "job.delete_job", "job.cancel_job", "job.retry_job"),
    *("execution.list_executions", "log.get_logs", "agent.list_agents", "agent.get_agent"),
    *("cell.list_cells", "cell.get_cell", "health.alive", "health.ready", "health.status", "metric.get_metrics"),
}


def routes(front: FrontSite) -> list[tuple[str, str, str]]:
    values = {"job_id": ID, "hostname": "web1", "name": "west"}
    found = []
    for rule in front.app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", values.get(argument, "x"))
        found += [(rule.endpoint, method, path) for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})]
    return found


def is_page(endpoint: str) -> bool:
    return endpoint.startswith("dashboard.")


def test_every_route_has_a_rule_and_is_at_both_places(front: FrontSite) -> None:
    endpoints = [rule.endpoint for rule in front.app.url_map.iter_rules()]
    assert [endpoint for endpoint in endpoints if rule_of(endpoint) is None] == []
    assert {rule_name(endpoint) for endpoint in endpoints} >= SERVED
    native = [path for endpoint, _, path in routes(front) if not is_page(endpoint)]
    assert len([path for path in native if path.startswith("/api/")]) == len(native) // 2


def test_every_route_for_some_roles(front: FrontSite) -> None:
    acting: list[Principal] = []
    gate.of(front.app).authenticate = lambda _environ: acting[-1]
    roles: tuple[tuple[str, ...], ...] = ((), ("job:read",), ("job:*",), ("agent:read",), ("*",))
    for permissions, (endpoint, method, path) in itertools.product(roles, routes(front)):
        principal = Principal("ann", frozenset(permissions))
        acting.append(principal)
        rule = rule_of(endpoint)
        answer = front.app.test_client().open(path, method=method)
        if rule in (PUBLIC, KNOWN) or principal.may(str(rule)):
            assert answer.status_code not in (401, 500), (method, path)
            if method == "GET":
                assert answer.status_code in (200, 404), (method, path, answer.get_data(as_text=True))
        else:
            assert answer.status_code == 403, (method, path)
            if is_page(endpoint):
                assert str(rule) in answer.get_data(as_text=True)
            else:
                assert answer.get_json()["details"] == {"permission": rule}


def test_credentials_are_needed(front: FrontSite) -> None:
    for path in ("/job", "/cell", "/events", "/no/such/path"):
        assert front.app.test_client().get(path).status_code == 401


def test_a_caller_with_some_hosts_is_refused(front: FrontSite, west: CellSite) -> None:
    """The front cannot keep to hosts, and a cell knows the front only."""
    for grant in ("job:*@cell:west", "job:write;max_hosts=5"):
        gate.of(front.app).authenticate = lambda _environ, grant=grant: Principal("ann", frozenset({grant}))
        body = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
        for method, path in (("POST", "/job"), ("GET", "/job"), ("POST", f"/job/{ID}/cancel")):
            answer = front.app.test_client().open(path, method=method, json=body if method == "POST" else None)
            assert answer.status_code == 403, (method, path)
    assert west.jobs() == []


def test_the_permission_of_the_operation_is_needed(front: FrontSite, west: CellSite) -> None:
    gate.of(front.app).authenticate = lambda _environ: Principal("ann", frozenset({"job:write"}))
    body = {"operation": {"type": "command.shell.execute", "data": {"command": "id"}}, "target_hostname": "_all"}
    answer = front.app.test_client().post("/job", json=body)
    assert answer.status_code == 403
    assert west.jobs() == []


@pytest.mark.parametrize("submits_in", ["front", "cell"])
def test_the_permission_of_the_operation_is_needed_to_retry(front: FrontSite, west: CellSite, submits_in: str) -> None:
    operation = {"type": "command.shell.execute", "data": {"command": "id"}}
    job_id = (
        front.submit("web1", operation=operation)["job_id"]
        if submits_in == "front"
        else west.submit("web1", operation=operation)
    )
    west.finish("web1")
    for granted, status, jobs in (
        ({"job:write"}, 403, 1),
        ({"job:write", "command:execute"}, 403, 1),
        ({"job:write", "shell:execute"}, 201, 2),
    ):
        gate.of(front.app).authenticate = lambda _environ, granted=granted: Principal("ann", frozenset(granted))
        answer = front.app.test_client().post(f"/job/{job_id}/retry")
        assert (answer.status_code, len(west.jobs())) == (status, jobs), answer.get_json()


def test_a_role_of_osapi_grants_no_more_than_at_a_cell(tmp_path: Path, west: CellSite) -> None:
    """Its role ``write`` does not run commands; jobqueue's does."""
    secret, now = "0123456789abcdef" * 4, int(time.time())
    named = {"jwt_secret": secret, "jwt_issuer": "osapi", "jwt_audience": "https://localhost"}
    front = FrontSite(tmp_path / "front", [west], **named)
    claims = {"iss": "osapi", "aud": "https://localhost", "sub": "ann", "iat": now, "exp": now + 600}
    token = jwt.encode({**claims, "roles": ["write"]}, secret, "HS256")
    for operation, status in (("command.shell.execute", 403), ("node.hostname.get", 201)):
        data = {"command": "id"} if status == 403 else {}
        body = {"operation": {"type": operation, "data": data}, "target_hostname": "_all"}
        answer = front.app.test_client().post("/job", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.get_json()
    assert len(west.jobs()) == 1


def test_jobs_of_others_need_job_delete(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = front.submit("_all")["job_id"]
    for site, hostname in ((west, "web1"), (west, "web2"), (east, "db1")):
        site.finish(hostname)
    own = west.submit("web1")
    gate.of(front.app).authenticate = lambda _environ: Principal("ann", frozenset({"job:read", "job:write"}))
    for path in (f"/job/{job_id}", f"/job/{own}"):
        assert front.app.test_client().delete(path).status_code == 403
    assert len(west.jobs()) == 2


def test_what_a_front_does_not_serve(front: FrontSite, west: CellSite) -> None:
    for method, path in (
        ("POST", "/agent/invite"),
        ("PUT", "/job"),
        ("GET", "/schedule"),
        ("GET", "/openapi.json"),
    ):
        answer = front.ask(method, path)
        assert answer.status_code == 501, (method, path)
        assert f"west at {west.address.url}" in answer.get_json()["error"]


def test_a_submission_is_in_the_audit_trail_of_the_front(front: FrontSite) -> None:
    job_id = front.submit("_all")["job_id"]
    front.submit("cell:north", status=409)
    entries = front.get("/audit")["entries"]
    found = [
        (entry["status"], entry["result"], entry["details"].get("job")) for entry in entries if entry["path"] == "/job"
    ]
    assert (201, "done", job_id) in found
    assert any(status == 409 for status, _, _ in found)


def test_bad_bodies(front: FrontSite) -> None:
    headers = {**AUTHORIZATION, "Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b'{"operation": 1}', b'{"operation": {"type": "none"}}'):
        answer = front.app.test_client().post("/job", data=body, headers=headers)
        assert answer.status_code == 400, body
        assert answer.get_json()["code"] == 400
