"""The tokens of `jobqueue login`: their file, and their renewal against a real provider."""

from __future__ import annotations

import base64
import io
import json
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobqueue.client.address import Address, resolve
from jobqueue.client.client import Client as ApiClient
from jobqueue.client.contexts import Context, Contexts
from jobqueue.client.files import Files
from jobqueue.client.logins import Login, Logins, LoginToken, checked_claims
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput, SignInRefused
from jobqueue.oidc.device_flow import GRANT, request_code
from jobqueue.oidc.provider import Provider, discover
from jobqueue.oidc.tokens import Registration, Tokens, request_tokens, unverified_claims
from tests.oidc_provider import Client, OidcProvider, serving
from tests.unit.client.fake_api import FakeApi, Reply

URL = "https://jobs.example.org"


@pytest.fixture(scope="module")
def served() -> Iterator[OidcProvider]:
    with serving() as provider:
        provider.clients["cli"] = Client("cli")
        yield provider


@pytest.fixture
def provider(served: OidcProvider) -> Iterator[OidcProvider]:
    yield served
    served.alter = dict


@pytest.fixture
def logins(tmp_path: Path) -> Logins:
    return Logins(tmp_path / "jobqueue" / "contexts.toml")


def signed_in(provider: OidcProvider, url: str = URL) -> Login:
    """A login whose token has expired."""
    found, client = discover(provider.url), Registration("cli")
    code = request_code(found, client, "openid offline_access")
    provider.decide("ann")
    tokens = request_tokens(found, client, {"grant_type": GRANT, "device_code": code.code})
    return Login(url, provider.url, "cli", "ann", time.time(), tokens.id_token, tokens.refresh_token)


def test_only_the_user_can_read_the_file(logins: Logins, tmp_path: Path) -> None:
    login = Login(URL, "https://issuer.example", "cli", "ann", 1.5, "a.b.c", "r")
    logins.save("prod", login)
    path = tmp_path / "jobqueue/logins/prod.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert logins.load("prod") == login
    assert not any(secret in repr(login) for secret in ("a.b.c", "'r'"))
    path.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        logins.load("prod")
    logins.remove("prod")
    assert logins.load("prod") is None
    logins.remove("prod")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": 1}', "[" * 60_000, '{"expires": "soon"}'])
def test_a_damaged_file(logins: Logins, text: str) -> None:
    logins.save("prod", Login(URL, "i", "cli", "ann", 1.0, "a.b.c"))
    logins.path("prod").write_text(text)
    with pytest.raises(InvalidInput, match="damaged"):
        logins.load("prod")


def test_a_link_is_not_followed(logins: Logins, tmp_path: Path) -> None:
    logins.save("prod", Login(URL, "i", "cli", "ann", 1.0, "a.b.c"))
    logins.path("other").symlink_to(logins.path("prod"))
    with pytest.raises(InvalidInput, match="cannot be read"):
        logins.load("other")


def test_a_good_token_is_not_renewed(logins: Logins) -> None:
    logins.save("prod", Login(URL, "https://issuer.example", "cli", "ann", time.time() + 60, "a.b.c", "r"))
    assert LoginToken(logins, "prod", URL)() == "a.b.c"


def test_it_is_renewed(logins: Logins, provider: OidcProvider) -> None:
    login = signed_in(provider)
    logins.save("prod", login)
    token = LoginToken(logins, "prod", URL)
    renewed = token()
    stored = logins.load("prod")
    assert stored is not None
    assert stored.id_token == renewed != login.id_token or stored.refresh_token != login.refresh_token
    assert stored.refresh_token != login.refresh_token
    assert stored.expires == unverified_claims(renewed)["exp"]
    assert token() == renewed
    assert stat.S_IMODE(logins.path("prod").stat().st_mode) == 0o600


def test_two_at_a_time_renew_it_once(logins: Logins, provider: OidcProvider) -> None:
    """The provider takes each refresh token once."""
    logins.save("prod", signed_in(provider))
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(LoginToken(logins, "prod", URL)())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_token_is_for_its_own_api(logins: Logins) -> None:
    logins.save("prod", Login(URL, "i", "cli", "ann", time.time() + 60, "a.b.c"))
    with pytest.raises(InvalidInput, match=r"signed out; run `jobqueue login --context prod`"):
        LoginToken(logins, "prod", "https://evil.example")()


def test_without_a_refresh_token(logins: Logins) -> None:
    logins.save("prod", Login(URL, "i", "cli", "ann", time.time(), "a.b.c"))
    with pytest.raises(SignInRefused, match="has expired"):
        LoginToken(logins, "prod", URL)()


def test_the_provider_ended_it(logins: Logins, provider: OidcProvider) -> None:
    login = replace(signed_in(provider), refresh_token="unknown")
    logins.save("prod", login)
    with pytest.raises(SignInRefused, match=r"ended \(invalid_grant\); run `jobqueue login"):
        LoginToken(logins, "prod", URL)()
    assert logins.load("prod") == login


@pytest.mark.parametrize("changes", [{"sub": "bob"}, {"aud": "other"}, {"iss": "https://evil.example"}, {"exp": None}])
def test_a_renewal_for_another(logins: Logins, provider: OidcProvider, changes: dict[str, Any]) -> None:
    logins.save("prod", signed_in(provider))
    provider.alter = lambda claims: {**claims, **changes}
    with pytest.raises(SignInRefused):
        LoginToken(logins, "prod", URL)()


def test_claims_of_another_party(provider: OidcProvider) -> None:
    token = signed_in(provider).id_token
    assert checked_claims(token, provider.url, "cli")[0] == "ann"
    for issuer, client in (("https://evil.example", "cli"), (provider.url, "other")):
        with pytest.raises(SignInRefused, match="another"):
            checked_claims(token, issuer, client)


def test_requests_carry_the_renewed_token(
    tmp_path: Path, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a client that was made with a token that has expired since."""
    for name in ("JOBQUEUE_URL", "JOBQUEUE_TOKEN", "JOBQUEUE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with FakeApi() as api:
        api.on("GET", "/agent", Reply(200, {"items": []}))
        contexts = Contexts.load()
        contexts.with_context(Context("prod", api.url, issuer=provider.url, client_id="cli")).using("prod").save()
        logins = Logins(contexts.path)
        first = replace(signed_in(provider, api.url), expires=time.time() + 60)
        logins.save("prod", first)
        address = resolve()
        assert (address.token, address.renewed_token is not None) == (first.id_token, True)
        assert resolve(token="own").token == "own"
        with ApiClient() as client:
            client._http.request("GET", "/agent")
            logins.save("prod", replace(first, expires=time.time()))
            provider.alter = lambda claims: {**claims, "nickname": "ann2"}  # another token within the same second
            client._http._renewed_token._login = replace(first, expires=time.time())  # a minute later
            client._http.request("GET", "/agent")
        stored = logins.load("prod")
        assert stored is not None
        sent = [request.headers["Authorization"] for request in api.seen]
        assert sent == [f"Bearer {first.id_token}", f"Bearer {stored.id_token}"]
        assert stored.refresh_token != first.refresh_token
        assert stored.id_token != first.id_token


def test_uploads_and_downloads_carry_the_renewed_token(api: FakeApi) -> None:
    tokens = iter(["second", "third"])
    api.on("PUT", "/file/motd", Reply(201, {"version": 1}))
    api.on("GET", "/file/motd/content", Reply(200, b"hello"))
    http = Transport(Address(api.url, "first", renewed_token=lambda: next(tokens)), timeout=5, retries=0)
    try:
        files = Files(http)
        assert files.put("motd", b"hello") == {"version": 1}
        content = io.BytesIO()
        assert files.download("motd", content) == 5
    finally:
        http.close()
    assert content.getvalue() == b"hello"
    assert [request.headers["Authorization"] for request in api.seen] == ["Bearer second", "Bearer third"]


def test_a_login_that_is_deleted_during_a_renewal_stays_deleted(logins: Logins) -> None:
    logins.save("prod", Login(URL, "https://issuer.example", "cli", "ann", time.time(), "a.b.c", "old"))
    taken: list[Login | None] = []
    logout = threading.Thread(target=lambda: taken.append(logins.take("prod")))

    def request(*_: Any) -> Tokens:
        logout.start()
        logout.join(0.5)  # it must wait for the renewal
        return Tokens(unsigned({"iss": "https://issuer.example", "aud": "cli", "sub": "ann", "exp": 2**40}), "new")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobqueue.oidc.provider.discover", lambda issuer: Provider(issuer, f"{issuer}/token"))
        LoginToken(logins, "prod", URL, request)()
    logout.join(60)
    assert logins.load("prod") is None
    assert [login.refresh_token for login in taken if login is not None] == ["new"]


def unsigned(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.x"
