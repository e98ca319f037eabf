"""/key, /user and /role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from jobqueue.model.principal import system
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN, Ask
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import error
from tests.unit.api.test_openapi import check_answer, document  # noqa: F401 (a fixture)

PASSWORD = "correct horse battery"


def test_a_key_from_its_making_to_its_end(ask: Ask, services: FakeServices) -> None:
    made = ask("POST", "/key", json={"name": "ci", "roles": ["read"], "expires_at": "2100-01-01T00:00:00Z"})
    assert made.status_code == 201
    body = made.get_json()
    key = body.pop("key")
    assert key.startswith(f"jq_{body['id']}_")
    assert (body["name"], body["roles"], body["created_by"]) == ("ci", ["read"], "admin")
    listed = ask("GET", "/key")
    assert listed.get_json() == {"keys": [body], "total": 1}
    assert key.rsplit("_", 1)[1] not in listed.get_data(as_text=True)
    assert "argon2" not in listed.get_data(as_text=True)
    assert ask("DELETE", f"/key/{body['id']}").status_code == 204
    error(ask("DELETE", f"/key/{body['id']}"), 404, body["id"])
    assert ask("GET", "/key").get_json()["keys"] == []


def test_a_user_from_its_making_to_its_end(ask: Ask, services: FakeServices) -> None:
    body = ask("POST", "/user", json={"name": "alice", "roles": ["write"]}).get_json()
    assert len(body["password"]) == 24
    error(ask("POST", "/user", json={"name": "alice", "roles": ["read"]}), 409, "alice")
    given = ask("POST", "/user", json={"name": "bob", "password": PASSWORD, "roles": ["read"]})
    assert given.get_json()["password"] is None
    assert PASSWORD not in given.get_data(as_text=True)
    assert [user["name"] for user in ask("GET", "/user").get_json()["users"]] == ["alice", "bob"]
    assert ask("POST", "/user/alice/disable").get_json()["disabled"] is True
    assert ask("POST", "/user/alice/enable").get_json()["disabled"] is False
    assert ask("PUT", "/user/alice/password", json={"password": PASSWORD}).get_json() == {
        "name": "alice",
        "password": None,
    }
    assert len(ask("PUT", "/user/alice/password").get_json()["password"]) == 24
    assert ask("DELETE", "/user/alice").status_code == 204
    for method, path in (("DELETE", ""), ("POST", "/disable"), ("POST", "/enable"), ("PUT", "/password")):
        error(ask(method, f"/user/alice{path}"), 404, "alice")


def test_a_role_from_its_making_to_its_end(ask: Ask, services: FakeServices) -> None:
    made = ask("POST", "/role", json={"name": "ops", "permissions": ["job:*", "agent:read"]})
    assert made.status_code == 201
    listed = ask("GET", "/role").get_json()
    assert [(role["name"], role["builtin"]) for role in listed["roles"]] == [
        ("read", True),
        ("write", True),
        ("admin", True),
        ("ops", False),
    ]
    key = ask("POST", "/key", json={"name": "k", "roles": ["ops"]}).get_json()
    error(ask("DELETE", "/role/ops"), 409, "in use", key["id"])
    ask("DELETE", f"/key/{key['id']}")
    assert ask("DELETE", "/role/ops").status_code == 204
    error(ask("DELETE", "/role/ops"), 404, "ops")
    for name in ("read", "write", "admin"):
        error(ask("DELETE", f"/role/{name}"), 400, "built in")
        error(ask("POST", "/role", json={"name": name, "permissions": ["*"]}), 409, name)
    assert len(ask("GET", "/role").get_json()["roles"]) == 3


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/key", {}, "name"),
        ("/key", {"name": "a b", "roles": ["read"]}, "name"),
        ("/key", {"name": "a\r\nX: y", "roles": ["read"]}, "name"),
        ("/key", {"name": "k"}, "roles"),
        ("/key", {"name": "k", "roles": []}, "roles"),
        ("/key", {"name": "k", "roles": "read"}, "roles"),
        ("/key", {"name": "k", "roles": [1]}, "roles[0]"),
        ("/key", {"name": "k", "roles": ["nope"]}, "roles"),
        ("/key", {"name": "k", "roles": ["r"] * 51}, "roles"),
        ("/key", {"name": "k", "permissions": ["job"]}, "permissions"),
        ("/key", {"name": "k", "permissions": ["*:*"]}, "permissions"),
        ("/key", {"name": "k", "roles": ["read"], "expires_at": "2001-01-01"}, "expires_at"),
        ("/key", {"name": "k", "roles": ["read"], "key": "jq_mine"}, "key"),
        ("/user", {"name": "u", "roles": ["read"], "password": "short"}, "password"),
        ("/user", {"name": "u", "roles": ["read"], "password": "with\x00a NUL in it"}, "password"),
        ("/user", {"name": "u", "roles": ["read"], "password": "p" * 1025}, "password"),
        ("/user", {"name": "u", "roles": ["read"], "password": "é" * 1000}, "password"),
        ("/user", {"name": "user:u", "roles": ["read"]}, "name"),
        ("/role", {"name": "r"}, "permissions"),
        ("/role", {"name": "r", "permissions": []}, "permissions"),
        ("/role", {"name": "r", "permissions": ["a:b"] * 101}, "permissions"),
        ("/role", {"name": "../r", "permissions": ["a:b"]}, "name"),
    ],
)
def test_what_is_wrong_is_named(ask: Ask, path: str, body: dict[str, Any], field: str) -> None:
    error(ask("POST", path, json=body), 400, field=field)


def test_a_key_cannot_make_a_stronger_one(services: FakeServices) -> None:
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN)
    client = create_app(settings, services).test_client()  # type: ignore[arg-type]
    _, clerk = services.credentials.create_key(system("test"), "clerk", (), ("key:write", "job:read"))
    headers = {"x-api-key": clerk}
    error(client.post("/key", json={"name": "k", "roles": ["admin"]}, headers=headers), 403, "clerk", "*")
    error(client.post("/user", json={"name": "u", "permissions": ["job:write"]}, headers=headers), 403, "job:write")
    error(client.post("/role", json={"name": "r", "permissions": ["job:*"]}, headers=headers), 403, "job:*")
    assert client.post("/key", json={"name": "k", "permissions": ["job:read"]}, headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "route", "body"),
    [
        ("POST", "/key", "/key", {"name": "k", "roles": ["read"]}),
        ("POST", "/key", "/key", {"name": "k"}),
        ("GET", "/key", "/key", None),
        ("DELETE", "/key/nope", "/key/{key_id}", None),
        ("POST", "/user", "/user", {"name": "v", "roles": ["read"]}),
        ("GET", "/user", "/user", None),
        ("PUT", "/user/u/password", "/user/{name}/password", {}),
        ("POST", "/user/u/disable", "/user/{name}/disable", None),
        ("POST", "/user/u/enable", "/user/{name}/enable", None),
        ("DELETE", "/user/u", "/user/{name}", None),
        ("POST", "/role", "/role", {"name": "r", "permissions": ["job:read"]}),
        ("GET", "/role", "/role", None),
        ("DELETE", "/role/nope", "/role/{name}", None),
        ("GET", "/audit", "/audit", None),
        ("GET", "/audit/verify", "/audit/verify", None),
    ],
)
def test_answers_are_as_documented(
    ask: Ask,
    services: FakeServices,
    document: dict[str, Any],  # noqa: F811
    method: str,
    path: str,
    route: str,
    body: Any,
) -> None:
    services.credentials.create_user(system("test"), "u", PASSWORD, ["read"])
    services.credentials.create_key(system("test"), "k", ["read"])
    check_answer(document, ask(method, path, json=body), document["paths"][route][method.lower()])
