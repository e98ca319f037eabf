"""Host, proxies, headers for browsers, sessions."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from api.app import create_app
from api.auth.hosts import Hosts
from api.auth.session import COOKIE, CSRF_HEADER, Sessions
from api.context import principal
from jobqueue.errors import InvalidInput
from jobqueue.ledger.seal import Seal
from jobqueue.model.principal import Principal, system
from jobqueue.services import credential_verifier
from jobqueue.settings import Settings
from tests.unit.api.conftest import AUTHORIZATION, TOKEN, Ask
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error

PASSWORD = "correct horse battery"


def settings(**fields: Any) -> Settings:
    return Settings(state_dir=Path("/nonexistent"), token=TOKEN, login_failures=1_000_000, **fields)


def app_with(services: FakeServices, **fields: Any) -> Flask:
    return create_app(settings(**fields), services)  # type: ignore[arg-type]


# --- Host -------------------------------------------------------------------------------------------------------------


def takes(host: str | None, **fields: Any) -> bool:
    try:
        Hosts(settings(**fields)).check({} if host is None else {"HTTP_HOST": host})
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "fields", "good"),
    [
        ("localhost", {}, True),
        ("LOCALHOST:8080", {}, True),
        ("127.0.0.1:1", {}, True),
        ("[::1]:8080", {}, True),
        ("localhost.", {}, True),
        (None, {}, True),
        ("evil.example", {}, False),
        ("localhost.evil.example", {}, False),
        ("evil.example:localhost", {}, False),
        ("localhost:80:80", {}, False),
        ("localhost@evil.example", {}, False),
        ("localhost/", {}, False),
        ("localhost\r\n", {}, False),
        (" localhost", {}, False),
        ("", {}, False),
        ("10.0.0.1", {}, False),
        ("169.254.169.254", {}, False),
        ("x" * 300, {}, False),
        # where it listens
        ("10.0.0.1:8080", {"api_host": "10.0.0.1"}, True),
        ("10.0.0.2", {"api_host": "10.0.0.1"}, False),
        ("10.0.0.2", {"api_host": "0.0.0.0"}, True),  # noqa: S104
        ("[2001:db8::1]:80", {"api_host": "::"}, True),
        ("evil.example", {"api_host": "0.0.0.0"}, False),  # noqa: S104
        # what is allowed besides
        ("jobs.example.com", {"allowed_hosts": ("jobs.example.com",)}, True),
        ("JOBS.example.com:443", {"allowed_hosts": ("jobs.example.com",)}, True),
        ("x.jobs.example.com", {"allowed_hosts": ("jobs.example.com",)}, False),
        ("a.b.example.com", {"allowed_hosts": ("*.example.com",)}, True),
        ("example.com", {"allowed_hosts": ("*.example.com",)}, False),
        ("evilexample.com", {"allowed_hosts": ("*.example.com",)}, False),
        ("anything", {"allowed_hosts": ("*",)}, True),
    ],
)
def test_hosts(host: str | None, fields: dict[str, Any], good: bool) -> None:
    assert takes(host, **fields) is good


def test_a_foreign_host_gets_nothing(client: FlaskClient) -> None:
    """A page under a name that its owner lets point to us: not even what is public."""
    for path in ("/health", "/job", "/nope", "/docs", "/api/health"):
        error(client.get(path, headers={**AUTHORIZATION, "Host": "evil.example"}), 400, "Host")


@pytest.mark.parametrize("value", ["a b", "http://a", "a/b", "*x", "a.*", "-a", "a,b c"])
def test_bad_settings_of_hosts(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidInput, match="JOBQUEUE_ALLOWED_HOSTS must be"):
        Settings.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path), "JOBQUEUE_ALLOWED_HOSTS": value})


# --- proxies ----------------------------------------------------------------------------------------------------------


def seen(services: FakeServices, behind: bool, **headers: str) -> tuple[str | None, str]:
    """(address, scheme) that a view sees."""
    found: list[tuple[str | None, str]] = []
    app = app_with(services, behind_proxy=behind)
    app.before_request_funcs[None].insert(0, lambda: found.append((request.remote_addr, request.scheme)))
    app.test_client().get("/health", headers={name.replace("_", "-"): value for name, value in headers.items()})
    return found[0]


def test_no_forwarded_header_is_trusted_without_a_proxy(services: FakeServices) -> None:
    assert seen(services, False, X_Forwarded_For="10.0.0.1", X_Forwarded_Proto="https") == ("127.0.0.1", "http")
    assert seen(services, False, Forwarded="for=10.0.0.1;proto=https", X_Real_Ip="10.0.0.1") == ("127.0.0.1", "http")


@pytest.mark.parametrize(
    ("forwarded", "proto", "expected"),
    [
        ("10.0.0.1", "https", ("10.0.0.1", "https")),
        # the client wrote the first, the proxy the last
        ("1.1.1.1, 10.0.0.1", "https, http", ("10.0.0.1", "http")),
        ("10.0.0.1,2001:db8::1", "HTTPS", ("2001:db8::1", "https")),
        ("nonsense", "javascript", ("127.0.0.1", "http")),
        ("", "", ("127.0.0.1", "http")),
        ("10.0.0.1,", "https,", ("127.0.0.1", "http")),
    ],
)
def test_one_proxy_is_trusted(services: FakeServices, forwarded: str, proto: str, expected: tuple[str, str]) -> None:
    assert seen(services, True, X_Forwarded_For=forwarded, X_Forwarded_Proto=proto) == expected


def test_a_proxy_does_not_choose_hosts(services: FakeServices) -> None:
    client = app_with(services, behind_proxy=True).test_client()
    headers = {
        **AUTHORIZATION,
        "X-Forwarded-Host": "evil.example",
        "Script-Name": "/x",
    }
    answer = client.post("/job", json=GOOD, headers=headers)
    assert answer.headers["Location"].startswith("/job/")


# --- headers ----------------------------------------------------------------------------------------------------------

EXPECTED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/job", 200),
        ("POST", "/job", 400),
        ("GET", "/nope", 404),
        ("PUT", "/job", 405),
        ("OPTIONS", "/job", 200),
        ("HEAD", "/job", 200),
        ("GET", "/docs", 200),
        ("GET", "/docs/assets/docs.js", 200),
    ],
)
def test_on_every_answer(ask: Ask, method: str, path: str, status: int) -> None:
    answer = ask(method, path, json={} if method == "POST" else None, buffered=True)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in EXPECTED} == EXPECTED
    policy = answer.headers.get_all("Content-Security-Policy")
    assert len(policy) == 1
    assert "frame-ancestors 'none'" in policy[0]
    scripts = next((part for part in policy[0].split(";") if "script-src" in part), policy[0].split(";")[0])
    assert "unsafe" not in scripts
    assert "Strict-Transport-Security" not in answer.headers
    assert "Server" not in answer.headers
    assert answer.headers["Cache-Control"] in ("no-store", "no-cache")


def test_on_refusals_too(client: FlaskClient) -> None:
    answer = client.get("/job")
    assert (answer.status_code, answer.headers["X-Frame-Options"]) == (401, "DENY")


def test_strict_transport_under_tls(client: FlaskClient) -> None:
    answer = client.get("/health", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "\x00", "é"])
def test_no_header_can_be_injected(client: FlaskClient, value: str) -> None:
    """What a request says, and comes back in headers: its id, and what it asks for."""
    environ = {"HTTP_X_REQUEST_ID": value}
    answer = client.get("/health", environ_overrides=environ)
    assert answer.headers["X-Request-Id"] != value
    assert "Set-Cookie" not in answer.headers
    answer = client.post("/job/%0d%0aSet-Cookie:%20x=1/retry", headers=AUTHORIZATION)
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


# --- sessions ---------------------------------------------------------------------------------------------------------

Begin = Callable[..., tuple[str, str]]


@pytest.fixture
def session_app(services: FakeServices) -> Flask:
    return app_with(services)


@pytest.fixture
def begin(session_app: Flask, services: FakeServices) -> Begin:
    """``begin(principal, secure=False)`` -> (the cookie's value, the CSRF token)."""
    sessions = Sessions(settings(), services.credential_verifier)

    def begin(who: Principal, *, secure: bool = False) -> tuple[str, str]:
        response = Response()
        token = sessions.begin(response, who, {"wsgi.url_scheme": "https" if secure else "http"})
        cookie = response.headers["Set-Cookie"]
        name, _, value = cookie.partition(";")[0].partition("=")
        assert name == (COOKIE.secure if secure else COOKIE.plain)
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert ("Secure" in cookie) is secure
        return value, token

    return begin


def alice(services: FakeServices) -> Principal:
    services.credentials.create_user(system("test"), "alice", PASSWORD, ("write",))
    from jobqueue.model.credential import Kind

    found = services.credential_verifier.check(Kind.USER, "alice", PASSWORD.encode())
    assert found is not None
    return found


ADMIN = Principal("admin", frozenset({"*"}), ("admin",), "token")
OWN = {"Origin": "http://localhost"}


def send(app: Flask, method: str, path: str, value: str, headers: dict[str, str] | None = None, **options: Any) -> Any:
    cookie = {"Cookie": f"{options.pop('cookie', COOKIE.plain)}={value}"}
    return app.test_client(use_cookies=False).open(
        path, method=method, headers={**cookie, **(headers or {})}, **options
    )


def test_a_session_reads(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    value, _ = begin(alice(services))
    assert send(session_app, "GET", "/job", value).status_code == 200
    error(send(session_app, "GET", "/key", value), 403, "alice lacks")
    admin, _ = begin(ADMIN)
    assert send(session_app, "GET", "/key", admin).status_code == 200


def test_a_session_writes_from_our_own_pages(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    value, token = begin(alice(services))
    answer = send(session_app, "POST", "/job", value, {**OWN, CSRF_HEADER: token}, json=GOOD)
    assert answer.status_code == 201
    assert services.submitted[-1].submitted_by == "alice"


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "Origin"),
        (OWN, CSRF_HEADER),
        ({**OWN, CSRF_HEADER: "wrong"}, CSRF_HEADER),
        ({**OWN, CSRF_HEADER: "é"}, CSRF_HEADER),
        ({CSRF_HEADER: "{token}"}, "Origin"),
        ({"Origin": "http://evil.example", CSRF_HEADER: "{token}"}, "Origin"),
        ({"Origin": "null", CSRF_HEADER: "{token}"}, "Origin"),
        ({"Origin": "https://localhost", CSRF_HEADER: "{token}"}, "Origin"),
        ({"Origin": "http://localhost:81", CSRF_HEADER: "{token}"}, "Origin"),
        ({"Origin": "http://localhost.evil.example", CSRF_HEADER: "{token}"}, "Origin"),
        ({"Referer": "http://localhost/", CSRF_HEADER: "{token}"}, "Origin"),
        ({**OWN, CSRF_HEADER: "{other}"}, CSRF_HEADER),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/job"), ("DELETE", "/key/x"), ("PUT", "/user/x/password")])
def test_a_session_writes_from_nowhere_else(
    session_app: Flask,
    services: FakeServices,
    begin: Begin,
    headers: dict[str, str],
    says: str,
    method: str,
    path: str,
) -> None:
    value, token = begin(ADMIN)
    _, other = begin(ADMIN)  # the token of another session
    filled = {name: text.format(token=token, other=other) for name, text in headers.items()}
    error(send(session_app, method, path, value, filled, json=GOOD), 403, says)
    assert services.submitted == []


def test_a_websocket_from_elsewhere(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    """Browsers send cookies with WebSockets of any page."""
    value, _ = begin(ADMIN)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    error(send(session_app, "GET", "/job", value, {**upgrade, "Origin": "http://evil.example"}), 403, "Origin")
    error(send(session_app, "GET", "/job", value, upgrade), 403, "Origin")
    # from our own it gets as far as the routes, of which this one is no WebSocket
    error(send(session_app, "GET", "/job", value, {**upgrade, **OWN}), 405)


def test_credentials_of_their_own_need_no_token(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    value, _ = begin(alice(services))
    assert send(session_app, "POST", "/job", value, AUTHORIZATION, json=GOOD).status_code == 201
    # and wrong ones are not made good by a cookie
    error(send(session_app, "GET", "/job", value, {"Authorization": "Bearer wrong"}), 401)


def test_under_tls_only_the_cookie_of_tls(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    """An attacker on an unencrypted connection could have set a cookie of the plain name."""
    secure, _ = begin(ADMIN, secure=True)
    base = {"base_url": "https://localhost"}
    assert send(session_app, "GET", "/job", secure, cookie=COOKIE.secure, **base).status_code == 200
    error(send(session_app, "GET", "/job", secure, cookie=COOKIE.plain, **base), 401)
    error(send(session_app, "GET", "/job", secure, cookie=COOKIE.secure), 401)


def test_forged_sessions(session_app: Flask, services: FakeServices, begin: Begin) -> None:
    value, _ = begin(alice(services))
    text, _, mark = value.rpartition(".")
    content = json.loads(base64.urlsafe_b64decode(text))
    root = base64.urlsafe_b64encode(json.dumps({**content, "kind": "token", "name": "root"}).encode()).decode()
    admin = {"kind": "token", "name": "x", "mark": "0" * 32, "end": time.time() + 99, "id": ""}
    unmarked = base64.urlsafe_b64encode(json.dumps(admin).encode()).decode()
    seal = Seal.of(settings())
    for forged in (
        "",
        ".",
        "x",
        text,
        f"{text}.",
        f"{text}.{'0' * 64}",
        f"{root}.{mark}",
        f"{root}.{Seal('y' * 32).mark('session', root)}",
        f"{root}.{seal.mark('csrf', root)}",  # a seal for something else
        f"{unmarked}.{seal.mark('session', unmarked)}",  # of another token
        "x" * 100_000,
        "\xff\xfe",
        f"{text}.\xc3\xa9",
    ):
        assert send(session_app, "GET", "/job", forged).status_code == 401, forged[:80]
    assert send(session_app, "GET", "/job", value).status_code == 200


@pytest.mark.parametrize("how", ["deleted", "disabled", "new password", "time"])
def test_a_session_ends(
    session_app: Flask, services: FakeServices, begin: Begin, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    value, _ = begin(alice(services))
    assert send(session_app, "GET", "/job", value).status_code == 200
    if how == "deleted":
        services.credentials.delete_user("alice")
    elif how == "disabled":
        services.credentials.set_disabled(system("test"), "alice", True)
    elif how == "new password":
        services.credentials.set_password(system("test"), "alice")
    real, monotonic = time.time, time.monotonic
    monkeypatch.setattr(credential_verifier.time, "monotonic", lambda: monotonic() + 1)
    if how == "time":
        monkeypatch.setattr("api.auth.session.time.time", lambda: real() + 12 * 3600 + 1)
    error(send(session_app, "GET", "/job", value), 401)


def test_a_new_token_ends_sessions_of_the_old_one(services: FakeServices, begin: Begin) -> None:
    value, _ = begin(ADMIN)
    seals = settings(api_secret="s" * 32)
    response = Response()
    Sessions(seals, services.credential_verifier).begin(response, ADMIN, {"wsgi.url_scheme": "http"})
    value = response.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    for token, status in ((TOKEN, 200), ("another-token", 401)):
        fields = Settings(state_dir=Path("/nonexistent"), token=token, api_secret="s" * 32)
        app = create_app(fields, services)  # type: ignore[arg-type]
        assert send(app, "GET", "/job", value).status_code == status


def test_logging_out(services: FakeServices) -> None:
    response = Response()
    Sessions(settings(), services.credential_verifier).end({}, response)
    cookies = response.headers.get_all("Set-Cookie")
    assert len(cookies) == 2
    assert all("Max-Age=0" in cookie and "HttpOnly" in cookie for cookie in cookies)


@pytest.mark.parametrize("kind", ["jwt", "none", "system"])
def test_who_cannot_begin_a_session(services: FakeServices, kind: str) -> None:
    with pytest.raises(Exception, match="Only a user"):
        Sessions(settings(), services.credential_verifier).begin(
            Response(), Principal("x", frozenset(), (), kind), {"wsgi.url_scheme": "http"}
        )


def test_public_routes_have_the_anonymous_principal(session_app: Flask) -> None:
    with session_app.test_request_context("/health"):
        assert not principal().permissions
