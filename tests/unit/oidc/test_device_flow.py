"""The device authorization grant against a real provider, and its errors (RFC 8628, 3.5)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobqueue.errors import ProviderUnavailable, SignInRefused
from jobqueue.oidc import device_flow, tokens
from jobqueue.oidc.device_flow import GRANT, DeviceCode, request_code, wait_for_tokens
from jobqueue.oidc.exchange import Answer
from jobqueue.oidc.provider import Provider, discover
from jobqueue.oidc.tokens import Registration, TokenError, Tokens, request_tokens, revoke, unverified_claims
from tests.oidc_provider import Client, OidcProvider, serving

CODE = DeviceCode("d", "ABCD-EFGH", "https://issuer.example/enter", "", 600.0, 5.0)
PROVIDER = Provider("https://issuer.example", "https://issuer.example/token", "", "https://issuer.example/device")


@pytest.fixture(scope="module")
def served() -> Iterator[OidcProvider]:
    with serving() as provider:
        provider.clients["cli"] = Client("cli")
        yield provider


def test_signing_in(served: OidcProvider) -> None:
    provider, client = discover(served.url), Registration("cli")
    code = request_code(provider, client, "openid offline_access")
    assert (code.address, code.interval_seconds) == (f"{served.url}/enter", 1.0)
    assert code.user_code in code.full_address
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            served.decide("ann")

    found = wait_for_tokens(provider, client, code, sleep)
    assert waits == [1.0, 1.0]
    claims = unverified_claims(found.id_token)
    assert (claims["sub"], claims["aud"], claims["iss"]) == ("ann", ["cli"], served.url)
    renewal = {"grant_type": "refresh_token", "refresh_token": found.refresh_token}
    renewed = request_tokens(provider, client, renewal)
    assert unverified_claims(renewed.id_token)["sub"] == "ann"
    with pytest.raises(TokenError) as caught:  # a refresh token is good once
        request_tokens(provider, client, renewal)
    assert caught.value.reason == "invalid_grant"
    revoke(provider, client, renewed.refresh_token)
    with pytest.raises(TokenError):
        request_tokens(provider, client, {**renewal, "refresh_token": renewed.refresh_token})


def test_declined(served: OidcProvider) -> None:
    provider, client = discover(served.url), Registration("cli")
    code = request_code(provider, client, "openid")
    served.decide("ann", agrees=False)
    with pytest.raises(SignInRefused, match="declined"):
        wait_for_tokens(provider, client, code, lambda _: None)


def test_a_client_that_is_not_registered(served: OidcProvider) -> None:
    with pytest.raises(TokenError, match="invalid_client"):
        request_code(discover(served.url), Registration("unknown"), "openid")


def waiting(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> tuple[Tokens | Exception, list[float]]:
    """What comes of these answers of the token endpoint, and the pauses before each."""
    left, waits, now = list(answers), [], [0.0]

    def request(_provider: Provider, _client: Registration, parameters: dict[str, str]) -> Tokens:
        assert parameters == {"grant_type": GRANT, "device_code": "d"}
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(device_flow, "request_tokens", request)
    try:
        return wait_for_tokens(PROVIDER, Registration("cli"), CODE, sleep, lambda: now[0]), waits
    except SignInRefused as error:
        return error, waits


def test_slowing_down(monkeypatch: pytest.MonkeyPatch) -> None:
    pending, slow = TokenError("authorization_pending", ""), TokenError("slow_down", "")
    found, waits = waiting(monkeypatch, pending, slow, slow, ProviderUnavailable(), Tokens("a.b.c"))
    assert found == Tokens("a.b.c")
    assert waits == [5.0, 5.0, 10.0, 15.0, 30.0]


def test_the_code_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    for answers, count in (((TokenError("expired_token", ""),), 1), ((TokenError("authorization_pending", ""),), 120)):
        found, waits = waiting(monkeypatch, *answers)
        assert isinstance(found, SignInRefused)
        assert "expired" in found.message
        assert len(waits) == count


def test_any_other_error_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found, waits = waiting(monkeypatch, TokenError("invalid_client", "unknown"))
    assert isinstance(found, TokenError)
    assert (found.message, waits) == ("The identity provider refused: invalid_client (unknown).", [5.0])


GOOD = {"device_code": "d", "user_code": "ABCD", "verification_uri": "https://issuer.example/enter", "expires_in": 9}


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": ""},
        {"device_code": 1},
        {"user_code": "AB\x1b[31mCD"},
        {"user_code": "A" * 2001},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://issuer.example/\nenter"},
        {"verification_uri_complete": "file:///etc/passwd"},
    ],
)
def test_answers_that_are_refused(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    raw = json.dumps({**GOOD, **changes}).encode()
    monkeypatch.setattr(tokens, "exchange", lambda *_, **__: Answer(200, raw))
    with pytest.raises(ProviderUnavailable, match=f"{PROVIDER.device_authorization_endpoint}: {next(iter(changes))} "):
        request_code(PROVIDER, Registration("cli"), "openid")


def test_odd_times_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for expires, interval in ((-1, -1), ("soon", None), (True, True), (1e99, 1e99)):
        raw = json.dumps({**GOOD, "expires_in": expires, "interval": interval}).encode()
        monkeypatch.setattr(tokens, "exchange", lambda *_, raw=raw, **__: Answer(200, raw))
        code = request_code(PROVIDER, Registration("cli"), "openid")
        assert code.expires_seconds == 1800.0
        assert code.interval_seconds in (5.0, 60.0)


def test_without_a_device_endpoint() -> None:
    with pytest.raises(SignInRefused, match="RFC 8628"):
        request_code(Provider("https://issuer.example", "https://issuer.example/token"), Registration("cli"), "openid")


@pytest.mark.parametrize(
    ("status", "raw", "says"),
    [
        (500, b"", "answered 500"),
        (302, b"", "answered 302"),
        (200, b"<html>", "not JSON"),
        (400, b"{}", "without an error code"),
        (400, b'{"error": "a\\nb"}', "without an error code"),
    ],
)
def test_answers_of_the_token_endpoint(monkeypatch: pytest.MonkeyPatch, status: int, raw: bytes, says: str) -> None:
    monkeypatch.setattr(tokens, "exchange", lambda *_, **__: Answer(status, raw))
    with pytest.raises(ProviderUnavailable, match=says):
        request_tokens(PROVIDER, Registration("cli"), {})


@pytest.mark.parametrize("document", [{}, {"id_token": 1}, {"id_token": "a b"}, {"id_token": "a" * 8193}])
def test_no_id_token(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> None:
    monkeypatch.setattr(tokens, "exchange", lambda *_, **__: Answer(200, json.dumps(document).encode()))
    with pytest.raises(SignInRefused, match="no ID token"):
        request_tokens(PROVIDER, Registration("cli"), {})


@pytest.mark.parametrize(
    "token", ["a", "a.b.c", "a." + base64.urlsafe_b64encode(b"[]").decode() + ".c", "....", "a.ä.c"]
)
def test_what_is_no_web_token(token: str) -> None:
    with pytest.raises(SignInRefused, match="not a JSON Web Token"):
        unverified_claims(token)


def test_the_secret_is_sent_as_the_provider_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749, 2.3.1: Basic, its parts encoded as in a form; the form itself only where Basic is not offered."""
    sent: list[tuple[bytes, dict[str, str]]] = []

    def exchange(_method: str, _address: str, *, body: bytes, headers: dict[str, str]) -> Answer:
        sent.append((body, headers))
        return Answer(200, b'{"id_token": "a.b.c"}')

    monkeypatch.setattr(tokens, "exchange", exchange)
    client = Registration("a:b", "s c%")
    request_tokens(PROVIDER, client, {})
    in_form = Provider("i", "https://t", token_auth_methods=frozenset({"client_secret_post"}))
    request_tokens(in_form, client, {})
    assert base64.b64decode(sent[0][1]["Authorization"].split()[1]) == b"a%3Ab:s+c%25"
    assert sent[0][0] == b"client_id=a%3Ab"
    assert "Authorization" not in sent[1][1]
    assert sent[1][0] == b"client_id=a%3Ab&client_secret=s+c%25"
