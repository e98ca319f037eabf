"""The discovery document: what is taken of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobqueue.errors import InvalidInput, ProviderUnavailable
from jobqueue.oidc import provider as module
from jobqueue.oidc.exchange import MOST_BYTES, Answer
from jobqueue.oidc.provider import Discovery, Provider, discover

ISSUER = "https://issuer.example/realms/team"


def fetching(status: int = 200, raw: bytes | None = None, **changes: Any) -> Callable[[str, str], Answer]:
    document = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/auth",
        "token_endpoint": f"{ISSUER}/token",
        "device_authorization_endpoint": f"{ISSUER}/device",
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid"],
        **changes,
    }
    known = {name: value for name, value in document.items() if value is not None}

    def fetch(method: str, address: str) -> Answer:
        assert (method, address) == ("GET", f"{ISSUER}/.well-known/openid-configuration")
        return Answer(status, json.dumps(known).encode() if raw is None else raw)

    return fetch


def test_a_document() -> None:
    found = discover(ISSUER, fetching())
    assert (found.token_endpoint, found.names_itself, found.scopes) == (f"{ISSUER}/token", True, frozenset({"openid"}))
    assert found.revocation_endpoint == ""
    assert not discover(ISSUER, fetching(authorization_response_iss_parameter_supported="yes")).names_itself


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": 302}, "answered 302"),
        ({"status": 404}, "answered 404"),
        ({"raw": b"<html>"}, "not JSON"),
        ({"raw": b"[]"}, "not a JSON object"),
        ({"raw": b"[" * 100_000}, "not JSON"),
        ({"raw": b" " * (MOST_BYTES + 1)}, "larger than"),
        ({"issuer": "https://issuer.example/realms/team/"}, "another issuer"),
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"token_endpoint": None}, "no token_endpoint"),
        ({"token_endpoint": "http://issuer.example/token"}, "token_endpoint"),
        ({"token_endpoint": "http://127.0.0.1/token"}, "token_endpoint"),
        ({"token_endpoint": 1}, "token_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://a@issuer.example/"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://issuer.example/#x"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://issuer.example/\r\nX: y"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://[::1/"}, "authorization_endpoint"),
        ({"scopes_supported": "openid"}, "scopes_supported"),
    ],
)
def test_documents_that_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ProviderUnavailable, match=says):
        discover(ISSUER, fetching(**changes))


@pytest.mark.parametrize(
    "issuer", ["", "issuer", "http://issuer.example", "ftp://issuer.example", "https://", f"{ISSUER}?a=1"]
)
def test_issuers_that_are_refused(issuer: str) -> None:
    with pytest.raises(InvalidInput, match="https://"):
        discover(issuer)


def test_it_is_asked_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    asked: list[float] = []
    is_away = False

    def find(issuer: str) -> Provider:
        asked.append(now[0])
        if is_away:
            raise ProviderUnavailable("It is away.")
        return Provider(issuer, f"{issuer}/token")

    discovery = Discovery(ISSUER, find)
    for moment in (0.0, 3599.0, 3600.0):
        now[0] = moment
        assert discovery().issuer == ISSUER
    assert asked == [0.0, 3600.0]
    is_away = True
    for moment in (7200.0, 7204.0, 7205.0):
        now[0] = moment
        with pytest.raises(ProviderUnavailable, match="It is away"):
            discovery()
    assert asked == [0.0, 3600.0, 7200.0, 7205.0]
