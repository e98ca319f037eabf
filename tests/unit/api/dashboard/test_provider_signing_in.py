"""Signing in by an identity provider: with a real one, and with answers that an attacker would arrange."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.auth.web_token_keys import issuer_of
from jobqueue.errors import InvalidSettings
from jobqueue.oidc import provider as provider_module
from jobqueue.oidc.tokens import Tokens
from jobqueue.settings import Settings
from tests.oidc_provider import Client, OidcProvider, parameters_of, serving
from tests.unit.api.conftest import TOKEN
from tests.unit.api.dashboard.conftest import parse
from tests.unit.api.fakes import FakeServices

RETURN = "http://localhost/ui/sign-in/return"
COOKIE = "jobqueue_session_sign_in"


@pytest.fixture(scope="module")
def served() -> Iterator[OidcProvider]:
    with serving() as provider:
        provider.clients["dashboard"] = Client("dashboard", (RETURN,), "s3cret/%")
        provider.clients["other"] = Client("other", (RETURN,))
        yield provider


@pytest.fixture
def provider(served: OidcProvider) -> Iterator[OidcProvider]:
    yield served
    served.user, served.alter, served.names_itself = "ann", dict, True


@pytest.fixture(scope="module")
def settings(served: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        state_dir=tmp_path_factory.mktemp("oidc"),
        token=TOKEN,
        login_failures=1_000_000,
        jwt_issuer=served.url,
        jwt_audience="jobqueue",
        jwt_jwks=f"{served.url}/jwks",
        oidc_client_id="dashboard",
        oidc_client_secret="s3cret/%",
        oidc_device_client_id="cli",
    )


@pytest.fixture(scope="module")
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def browser(shared: FlaskClient) -> Iterator[FlaskClient]:
    with shared.application.test_client() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared(settings: Settings, services: FakeServices) -> FlaskClient:
    return create_app(settings, services).test_client()  # type: ignore[arg-type]


def begin(browser: FlaskClient, query: str = "", **headers: str) -> str:
    """The address at the provider."""
    answer = browser.get(f"/ui/sign-in/provider{query}", headers=headers)
    assert answer.status_code == 303, parse(answer).get_text()
    return str(answer.headers["Location"])


def back(browser: FlaskClient, parameters: dict[str, str]) -> TestResponse:
    return browser.get(f"/ui/sign-in/return?{urlencode(parameters)}", headers={"Sec-Fetch-Site": "cross-site"})


def refused(browser: FlaskClient, parameters: dict[str, str], says: str, status: int = 403) -> None:
    answer = back(browser, parameters)
    assert answer.status_code == status
    assert says in parse(answer).find(class_="notice").get_text()
    assert browser.get_cookie("jobqueue_session") is None


def test_the_page_offers_it(browser: FlaskClient) -> None:
    page = parse(browser.get("/ui/sign-in?next=/ui/jobs"))
    link = page.find("a", string="Sign in with your organization")
    assert link["href"] == "/ui/sign-in/provider?next=%2Fui%2Fjobs"


def test_it_signs_in(browser: FlaskClient, provider: OidcProvider, services: FakeServices) -> None:
    answer = back(browser, parameters_of(provider.open(begin(browser, "?next=/ui/jobs?status=failed"))))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/jobs?status=failed")
    cookie = browser.get_cookie("jobqueue_session")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    assert browser.get_cookie(COOKIE) is None
    assert parse(browser.get("/")).find(class_="who").get_text() == "ann"
    # the role read
    assert browser.get("/ui/jobs").status_code == 200
    assert browser.get("/ui/audit").status_code == 403
    entry = next(
        entry.content for entry in services.audit_trail.newest(5) if entry.content.path == "/ui/sign-in/return"
    )
    assert (entry.who, entry.kind, entry.result, entry.status) == ("ann", "jwt", "done", 303)


def test_what_is_asked_for(browser: FlaskClient, provider: OidcProvider) -> None:
    address = begin(browser)
    parameters = parameters_of(address)
    assert address.startswith(f"{provider.url}/authorize?")
    assert parameters.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
    assert (parameters["code_challenge_method"], parameters["redirect_uri"]) == ("S256", RETURN)
    assert parameters["scope"] == "openid"
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    for secret in ("state", "nonce"):  # each sign-in has its own
        assert parameters[secret] not in cookie.value
        assert parameters_of(begin(browser))[secret] != parameters[secret]


def test_a_session_ends(browser: FlaskClient, provider: OidcProvider, settings: Settings) -> None:
    back(browser, parameters_of(provider.open(begin(browser))))
    cookie = browser.get_cookie("jobqueue_session")
    assert cookie is not None
    # another process of the API, then one without the provider, and one with another client
    for changes, status in (({}, 200), ({"oidc_client_id": ""}, 303), ({"oidc_client_id": "other"}, 303)):
        other = create_app(replace(settings, **changes), FakeServices()).test_client()  # type: ignore[arg-type]
        other.set_cookie("jobqueue_session", cookie.value)
        assert other.get("/").status_code == status, changes
    assert cookie.max_age == settings.oidc_session_seconds


def test_signing_out(browser: FlaskClient, provider: OidcProvider) -> None:
    back(browser, parameters_of(provider.open(begin(browser))))
    value = browser.get_cookie("jobqueue_session").value
    token = parse(browser.get("/")).find("input", attrs={"name": "csrf_token"})["value"]
    headers = {"Origin": "http://localhost"}
    assert browser.post("/ui/sign-out", data={"csrf_token": token}, headers=headers).status_code == 303
    browser.set_cookie("jobqueue_session", value)
    assert browser.get("/").status_code == 303


# --- attacks ----------------------------------------------------------------------------------------------------------
def test_login_csrf(browser: FlaskClient, provider: OidcProvider, shared: FlaskClient) -> None:
    """An attacker has a victim's browser open the answer to the attacker's own sign-in."""
    attacker = shared.application.test_client()
    provider.user = "bob"
    answer = parameters_of(provider.open(begin(attacker)))
    refused(browser, answer, "not begun in this browser")
    begin(browser)
    refused(browser, answer, "another sign-in (state)")


def test_another_site_cannot_begin(browser: FlaskClient) -> None:
    answer = browser.get("/ui/sign-in/provider", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert browser.get_cookie(COOKIE) is None


def test_wrong_state(browser: FlaskClient, provider: OidcProvider) -> None:
    answer = parameters_of(provider.open(begin(browser)))
    for state in ("", "x" * 64, "ä", answer["state"][:-1]):
        begin(browser)
        refused(browser, {**answer, "state": state}, "(state)")
    begin(browser)
    refused(browser, {name: value for name, value in answer.items() if name != "state"}, "(state)")


def test_an_answer_is_used_once(browser: FlaskClient, provider: OidcProvider, shared: FlaskClient) -> None:
    address = begin(browser)
    cookie = browser.get_cookie(COOKIE).value
    answer = parameters_of(provider.open(address))
    assert back(browser, answer).status_code == 303
    copy = shared.application.test_client()
    copy.set_cookie(COOKIE, cookie)
    refused(copy, answer, "used before")
    # the provider accepts a code once, whatever is sent with it
    fresh = begin(copy)
    refused(copy, {**parameters_of(provider.open(fresh)), "code": answer["code"]}, "invalid_grant")


def test_the_code_of_another_sign_in(browser: FlaskClient, provider: OidcProvider, shared: FlaskClient) -> None:
    """A code that leaked is worth nothing without its verifier (PKCE)."""
    leaked = parameters_of(provider.open(begin(shared.application.test_client())))["code"]
    answer = parameters_of(provider.open(begin(browser)))
    refused(browser, {**answer, "code": leaked}, "invalid_grant")


def test_another_nonce(browser: FlaskClient, provider: OidcProvider) -> None:
    for nonce in ("x" * 64, "ä", None, 1):
        provider.alter = lambda claims, nonce=nonce: {**claims, "nonce": nonce}
        refused(browser, parameters_of(provider.open(begin(browser))), "(nonce)")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": "cli"},  # ours, but not this client
        {"aud": ["dashboard", "other"]},
        {"aud": ["dashboard", "other"], "azp": "other"},
        {"azp": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": ""},
        {"sub": "ann\nadmin"},
        {"roles": "admin"},
        {"roles": [f"r{n}" for n in range(51)]},
    ],
)
def test_claims_that_are_refused(browser: FlaskClient, provider: OidcProvider, changes: dict[str, Any]) -> None:
    provider.alter = lambda claims: {**claims, **changes}
    refused(browser, parameters_of(provider.open(begin(browser))), "ID token")


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    """A token signed with HMAC whatever the key is: libraries refuse to make these."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    mark = hmac.new(key, ".".join(parts).encode(), "sha256").digest() if key else b""
    return ".".join([*parts, base64.urlsafe_b64encode(mark).rstrip(b"=").decode() or "AA"])


@pytest.mark.parametrize("key", ["none", "client secret", "public key"])
def test_algorithm_confusion(
    browser: FlaskClient, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """An ID token without a signature, or with an HMAC under what an attacker knows."""
    address = begin(browser)
    end = int(time.time()) + 60
    claims = {"iss": provider.url, "aud": "dashboard", "sub": "eve", "exp": end, "roles": ["admin"]}
    known = {"none": b"", "client secret": b"s3cret/%", "public key": provider.key.as_pem(private=False)}
    header = {"alg": "none" if key == "none" else "HS256", "kid": "k1"}
    token = by_hand(header, {**claims, "nonce": parameters_of(address)["nonce"]}, known[key])
    monkeypatch.setattr("api.auth.provider_sign_in.request_tokens", lambda *_: Tokens(token))
    refused(browser, parameters_of(provider.open(address)), "algorithm is not accepted")


def test_issuer_mix_up(browser: FlaskClient, provider: OidcProvider) -> None:
    """RFC 9207: the answer of another provider is not exchanged."""
    answer = parameters_of(provider.open(begin(browser)))
    assert answer["iss"] == provider.url
    refused(browser, {**answer, "iss": "https://evil.example"}, "(iss)")
    begin(browser)
    answer = parameters_of(provider.open(begin(browser)))
    del answer["iss"]  # a provider that names itself always does
    refused(browser, answer, "(iss)")


def test_a_parameter_twice(browser: FlaskClient, provider: OidcProvider) -> None:
    answer = parameters_of(provider.open(begin(browser)))
    query = urlencode([*answer.items(), ("code", "x")])
    assert browser.get(f"/ui/sign-in/return?{query}").status_code == 403
    assert browser.get_cookie("jobqueue_session") is None


@pytest.mark.parametrize(
    "next_", ["https://evil.example", "//evil.example", "/\\evil.example", "/ui//evil", "javascript:1"]
)
def test_no_open_redirect(browser: FlaskClient, provider: OidcProvider, next_: str) -> None:
    answer = back(browser, parameters_of(provider.open(begin(browser, "?" + urlencode({"next": next_})))))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_a_page_that_is_too_long_for_the_cookie(browser: FlaskClient, provider: OidcProvider) -> None:
    """Browsers drop cookies of more than 4,096 bytes (RFC 6265, 6.1); the sign-in then leads to the overview."""
    query = "?" + urlencode({"next": "/ui/jobs?text=" + "ü" * 900})
    answer = back(browser, parameters_of(provider.open(begin(browser, query))))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.get_cookie("jobqueue_session") is not None


def test_session_fixation(browser: FlaskClient, provider: OidcProvider, shared: FlaskClient) -> None:
    """A session that was there before is not the one that is signed in."""
    attacker = shared.application.test_client()
    provider.user = "bob"
    back(attacker, parameters_of(provider.open(begin(attacker))))
    planted = attacker.get_cookie("jobqueue_session").value
    browser.set_cookie("jobqueue_session", planted)
    provider.user = "ann"
    back(browser, parameters_of(provider.open(begin(browser))))
    assert browser.get_cookie("jobqueue_session").value != planted
    assert parse(browser.get("/")).find(class_="who").get_text() == "ann"
    assert parse(attacker.get("/")).find(class_="who").get_text() == "bob"


def test_a_cookie_that_is_not_ours(browser: FlaskClient, provider: OidcProvider) -> None:
    answer = parameters_of(provider.open(begin(browser)))
    cookie = browser.get_cookie(COOKIE).value
    for value in ("", "x", "x.y", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), "é", "x" * 3600):
        browser.set_cookie(COOKIE, value)
        refused(browser, answer, "not begun in this browser")


def test_it_took_too_long(browser: FlaskClient, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = parameters_of(provider.open(begin(browser)))
    now = time.time()
    monkeypatch.setattr("api.auth.provider_sign_in.time.time", lambda: now + 601)
    refused(browser, answer, "took longer than 10 minutes")


def test_the_provider_declines(browser: FlaskClient) -> None:
    state = parameters_of(begin(browser))["state"]
    issuer = browser.application.extensions["jobqueue.dashboard"].provider._issuer
    described = {"error": "access_denied", "error_description": "<script>no\x1b[31m"}
    refused(browser, {**described, "state": state, "iss": issuer}, "access_denied (<script>no[31m)")
    begin(browser)
    refused(browser, {**described, "state": "wrong", "iss": issuer}, "(state)")


def test_failures_are_counted(settings: Settings) -> None:
    limited = replace(settings, login_failures=3)
    browser = create_app(limited, FakeServices()).test_client()  # type: ignore[arg-type]

    def declined() -> int:
        answer = {"error": "access_denied", "state": parameters_of(begin(browser))["state"], "iss": settings.jwt_issuer}
        return back(browser, answer).status_code

    assert [declined() for _ in range(4)] == [403, 403, 403, 429]


def test_other_sites_cannot_use_up_the_attempts(settings: Settings, provider: OidcProvider) -> None:
    browser = create_app(replace(settings, login_failures=3), FakeServices()).test_client()  # type: ignore[arg-type]
    response = parameters_of(provider.open(begin(browser)))
    cookie = browser.get_cookie(COOKIE).value
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for query in ("code=x", "state=x&code=x", "code=x&code=y"):
        for _ in range(3):
            browser.set_cookie(COOKIE, cookie)
            assert browser.get(f"/ui/sign-in/return?{query}", headers=elsewhere).status_code == 403
            assert browser.get("/ui/sign-in/provider", headers=elsewhere).status_code == 403
    browser.set_cookie(COOKIE, cookie)
    assert back(browser, response).status_code == 303
    for _ in range(5):  # of the same response
        browser.set_cookie(COOKIE, cookie)
        assert back(browser, response).status_code == 403
    assert back(browser, parameters_of(provider.open(begin(browser)))).status_code == 303


def test_a_provider_that_is_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def away(method: str, address: str) -> Any:
        asked.append(address)
        raise TimeoutError("it took longer than 10 s")

    keeper = create_app(settings, FakeServices())  # type: ignore[arg-type]
    discovery = keeper.extensions["jobqueue.dashboard"].provider._discovery
    monkeypatch.setattr(discovery, "_find", lambda issuer: provider_module.discover(issuer, away))
    browser = keeper.test_client()
    for _ in range(3):  # the next ones do not wait for it
        answer = browser.get("/ui/sign-in/provider")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert "longer than 10 s" in parse(answer).find(class_="notice").get_text()
    assert len(asked) == 1


def test_tokens_of_the_client_are_taken_by_the_api(browser: FlaskClient, provider: OidcProvider) -> None:
    """ID tokens of `jobqueue login` are for its client; the audience of before stays good."""
    now = int(time.time())
    for audience, status in (("cli", 200), ("dashboard", 200), ("jobqueue", 200), ("other", 401)):
        claims = {"iss": provider.url, "aud": audience, "sub": "ann", "exp": now + 60, "roles": ["read"]}
        token = jwt.encode(claims, provider.key.raw_value, algorithm="RS256", headers={"kid": "k1"})
        headers = {"Authorization": f"Bearer {token}"}
        assert browser.get("/job", headers=headers).status_code == status, audience


def test_the_provider_is_named_to_programs(browser: FlaskClient, provider: OidcProvider, app: Any) -> None:
    for path in ("/auth/provider", "/api/auth/provider"):
        answer = browser.get(path)
        assert (answer.status_code, answer.get_json()) == (
            200,
            {"issuer": provider.url, "client_id": "cli", "scopes": ["openid"]},
        )
    answer = app.test_client().get("/auth/provider")
    assert (answer.status_code, answer.get_json()) == (200, {"issuer": None, "client_id": None, "scopes": []})


def test_without_a_provider(app: Any) -> None:
    browser = app.test_client()
    assert "organization" not in browser.get("/ui/sign-in").get_data(as_text=True)
    for path in ("/ui/sign-in/provider", "/ui/sign-in/return?code=x&state=y"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "No identity provider is configured" in parse(answer).get_text()


def test_an_issuer_without_tls(settings: Settings) -> None:
    for issuer in ("http://issuer.example", "https://issuer.example/?tenant=1", "issuer"):
        with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_ISSUER"):
            issuer_of(replace(settings, jwt_issuer=issuer))


def test_behind_tls_and_a_prefix(settings: Settings, provider: OidcProvider) -> None:
    """The cookie of a sign-in has the prefix that keeps other hosts of the domain from setting it."""
    secure = replace(settings, behind_proxy=True)
    browser = create_app(secure, FakeServices()).test_client()  # type: ignore[arg-type]
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost", "X-Forwarded-For": "192.0.2.1"}
    answer = browser.get("/ui/sign-in/provider", headers=headers)
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if "sign-in" in value)
    assert cookie.startswith("__Host-jobqueue-sign-in=")
    assert "Secure" in cookie
    assert "Path=/;" in f"{cookie};"
    assert urlsplit(parameters_of(answer.headers["Location"])["redirect_uri"]).scheme == "https"
