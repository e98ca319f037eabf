"""OSAPI's roles and permissions: every route of its API, for every role and permission that a token can name."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from typing import Any

import jwt
import pytest
from flask import Flask

from api.app import create_app
from api.osapi import permissions, waiting
from api.osapi.calls import CALLS
from jobqueue.model.principal import ANONYMOUS
from jobqueue.services import Services
from jobqueue.services.objects import Upload
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN
from tests.unit.api.osapi.description import NODE_PERMISSIONS, OTHER_PERMISSIONS, ROLES
from tests.unit.api.over_a_ledger import services_with

SECRET = "0123456789abcdef" * 4
_MISSING = "123e4567-e89b-42d3-a456-426614174000"
#: Values for the variables of paths, such as exist nowhere.
_VALUES = {"hostname": "web9", "name": "none", "id": _MISSING, "pid": "99999999", "number": "1"}
EVERY = sorted({*NODE_PERMISSIONS.values(), *OTHER_PERMISSIONS.values()})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        token=TOKEN,
        redis_url="redis://127.0.0.1:1/0",
        jwt_secret=SECRET,
        jwt_issuer="osapi",
        jwt_audience="https://localhost",
    )


@pytest.fixture(scope="module")
def services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {"group": "web"}})


@pytest.fixture(scope="module")
def shared_app(settings: Settings, services: Services) -> Flask:
    app = create_app(settings, services)
    for role, permission in (("planner", "schedule:read"), ("viewer", "osapi-node:read")):
        document = {"name": role, "permissions": [permission]}
        answer = app.test_client().post("/role", json=document, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 201
    return app


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)


def bearer(roles: Iterable[str] = (), **claims: Any) -> dict[str, str]:
    now = int(time.time())
    content = {
        "roles": list(roles),
        "iss": "osapi",
        "sub": "ada@example.com",
        "aud": ["https://localhost"],
        "exp": now + 3600,
        "iat": now,
        **claims,
    }
    return {"Authorization": f"Bearer {jwt.encode(content, SECRET, 'HS256')}"}


def routes() -> list[tuple[str, str, str]]:
    """Method, path and permission of each route that OSAPI describes, as it describes them."""
    found = []
    for prefix, described in (("/api/node/{hostname}", NODE_PERMISSIONS), ("", OTHER_PERMISSIONS)):
        for route, name in described.items():
            method, path = route.split(" ", 1)
            found.append((method, prefix + path, name))
    return found


def path_of(template: str) -> str:
    for name, value in {
        **_VALUES,
        "interfaceName": "none0",
        "image": "none",
        "key": "none",
        "fingerprint": "x",
    }.items():
        template = template.replace(f"{{{name}}}", value)
    assert "{" not in template, template
    return template


def test_the_table_names_every_permission_of_the_description() -> None:
    assert sorted(permissions.TABLE) == EVERY
    assert len(routes()) == 94 + len(OTHER_PERMISSIONS)


def test_each_call_asks_for_the_permission_that_osapi_asks_for() -> None:
    described = dict(NODE_PERMISSIONS)
    for call in CALLS:
        path = call.path.replace("<path:", "<").replace("<", "{").replace(">", "}")
        assert permissions.permission_of(call) == described.pop(f"{call.method} {path}"), call
    assert not described


def is_allowed(app: Flask, method: str, path: str, headers: dict[str, str]) -> bool:
    """Whether a request gets past all permissions; its data need not be good."""
    answer = app.test_client().open(path, method=method, headers=headers)
    assert answer.status_code < 500, (method, path, answer.get_json())
    assert answer.status_code != 401, (method, path)
    return answer.status_code != 403


@pytest.mark.parametrize("permission", EVERY)
def test_every_route_for_every_permission(shared_app: Flask, permission: str) -> None:
    # OSAPI ignores the roles of a token that has permissions
    headers = bearer(["admin"], permissions=[permission])
    allowed = {(method, path) for method, path, _ in routes() if is_allowed(shared_app, method, path_of(path), headers)}
    assert allowed == {(method, path) for method, path, name in routes() if name == permission}


@pytest.mark.parametrize("role", [*ROLES, "unknown"])
def test_every_route_for_every_role(shared_app: Flask, role: str) -> None:
    headers = bearer([role])
    allowed = {(method, path) for method, path, _ in routes() if is_allowed(shared_app, method, path_of(path), headers)}
    names = ROLES.get(role, frozenset())
    assert allowed == {(method, path) for method, path, name in routes() if name in names}


@pytest.mark.parametrize(
    ("permission", "method", "path", "body"),
    [
        ("node:read", "GET", "/api/node/web1/hostname", None),
        ("command:execute", "POST", "/api/node/web1/command/shell", {"command": "id"}),
        ("command:execute", "POST", "/api/node/web1/command/exec", {"command": "id"}),
        ("package:write", "POST", "/api/node/web1/package", {"name": "nginx"}),
        ("network:write", "POST", "/api/node/web1/network/ping", {"address": "192.0.2.1"}),
        ("user:read", "GET", "/api/node/web1/group", None),
        ("process:execute", "POST", "/api/node/web1/process/99999/signal", {"signal": "TERM"}),
        ("file:read", "POST", "/api/node/web1/file/status", {"path": "/etc/motd"}),
        ("service:write", "POST", "/api/node/web1/service", {"name": "x", "object": "unit"}),
        (
            "cron:write",
            "POST",
            "/api/node/web1/schedule/cron",
            {"name": "x", "object": "unit", "schedule": "* * * * *"},
        ),
        ("certificate:write", "POST", "/api/node/web1/certificate/ca", {"name": "x", "object": "unit"}),
        (
            "file:write",
            "POST",
            "/api/node/web1/file/deploy",
            {"object_name": "unit", "path": "/tmp/x", "content_type": "raw"},
        ),
    ],
)
def test_one_permission_is_enough_for_a_whole_call(
    shared_app: Flask, services: Services, permission: str, method: str, path: str, body: Any
) -> None:
    if body and ("object" in body or "object_name" in body) and not services.objects.page("", 1)[0]:
        app_file = {"name": "unit", "content_type": "raw", "file": (io.BytesIO(b"[Unit]"), "unit")}
        stored = shared_app.test_client().post("/api/file", data=app_file, headers=bearer(permissions=["file:write"]))
        assert stored.status_code == 201
    answer = shared_app.test_client().open(path, method=method, json=body, headers=bearer(permissions=[permission]))
    assert answer.status_code == 202, answer.get_json()
    job = services.jobs.get(answer.get_json()["job_id"])
    assert job.submitted_by == "ada@example.com"


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("node:read", "POST", "/job"),
        ("node:read", "GET", "/job"),
        ("node:read", "GET", "/agent"),
        ("command:execute", "POST", "/job"),
        ("job:read", "POST", "/job"),
        ("file:read", "PUT", "/file/x"),
        ("health:read", "GET", "/agent"),
        ("service:write", "PUT", "/file/x"),
        ("agent:write", "POST", "/key"),
        ("schedule:read", "GET", "/schedule"),
        ("*", "GET", "/agent"),
    ],
)
def test_outside_of_calls_a_token_has_no_more(shared_app: Flask, permission: str, method: str, path: str) -> None:
    assert not is_allowed(shared_app, method, path, bearer(["admin"], permissions=[permission]))


def test_a_call_that_names_a_secret_takes_more(shared_app: Flask, services: Services) -> None:
    services.objects.put(Upload("unit", force=True), [b"[Unit]"], ANONYMOUS)
    body = {"object_name": "unit", "path": "/x", "content_type": "raw", "vars": {"x": {"$secret": "password"}}}
    headers = bearer(permissions=["file:write"])
    answer = shared_app.test_client().post("/api/node/web1/file/deploy", json=body, headers=headers)
    assert answer.status_code == 403
    assert "secret:use" in answer.get_json()["error"]


def test_roles_of_jobqueue_keep_their_meaning(shared_app: Flask) -> None:
    assert is_allowed(shared_app, "GET", "/schedule", bearer(["planner"]))
    assert not is_allowed(shared_app, "GET", "/agent", bearer(["planner"]))
    assert is_allowed(shared_app, "GET", "/agent", bearer(["planner", "read"]))


def test_a_role_can_have_permissions_of_osapi(shared_app: Flask) -> None:
    """Under names of their own, for API keys and users."""
    assert is_allowed(shared_app, "GET", "/api/node/web9/hostname", bearer(["viewer"]))
    assert not is_allowed(shared_app, "GET", "/api/node/web9/user", bearer(["viewer"]))
    assert not is_allowed(shared_app, "GET", "/agent", bearer(["viewer"]))
