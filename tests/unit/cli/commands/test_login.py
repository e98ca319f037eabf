"""``jobqueue login`` and ``jobqueue logout`` with a real provider."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobqueue.cli.commands import login as module
from jobqueue.cli.main import main
from jobqueue.oidc.device_flow import wait_for_tokens
from jobqueue.oidc.tokens import Tokens
from tests.oidc_provider import Client, OidcProvider, serving
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture(scope="module")
def served() -> Iterator[OidcProvider]:
    with serving() as provider:
        provider.clients["cli"] = provider.clients["other"] = Client("cli")
        yield provider


@pytest.fixture
def provider(served: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> OidcProvider:
    """A provider whose user agrees at once."""

    def wait(*arguments: Any) -> Tokens:
        return wait_for_tokens(*arguments, sleep=lambda _: served.decide("ann"))

    monkeypatch.setattr(module, "wait_for_tokens", wait)
    return served


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        yield server


def run(home: Path, *arguments: str) -> Result:
    names = {"HOME": str(home), "XDG_CONFIG_HOME": None, "JOBQUEUE_URL": None, "JOBQUEUE_TOKEN": None}
    return CliRunner(env={**names, "JOBQUEUE_CONTEXT": None}).invoke(main, list(arguments), catch_exceptions=False)


def named(provider: OidcProvider, **changes: Any) -> Reply:
    return Reply(200, {"issuer": provider.url, "client_id": "cli", "scopes": ["openid"], **changes})


def test_login_and_logout(tmp_path: Path, api: FakeApi, provider: OidcProvider) -> None:
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use")
    api.on("GET", "/auth/provider", named(provider))
    api.on("GET", "/job", Reply(200, {"items": [], "total": 0, "next_cursor": None}))
    result = run(tmp_path, "login")
    assert result.exit_code == 0, result.output
    assert f"Open {provider.url}/enter in a browser and enter the code " in result.stdout
    assert "Signed in to the context prod as ann." in result.stdout
    path = tmp_path / ".config/jobqueue/logins/prod.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = json.loads(path.read_text())
    assert "Authorization" not in api.seen[0].headers
    run(tmp_path, "job", "list")
    assert api.seen[1].headers["Authorization"] == f"Bearer {stored['id_token']}"
    shown = json.loads(run(tmp_path, "context", "show", "--json").stdout)
    assert (shown["issuer"], shown["client_id"]) == (provider.url, "cli")
    assert stored["refresh_token"] in provider.refresh
    assert "is signed out" in run(tmp_path, "logout").stdout
    assert not path.exists()
    assert stored["refresh_token"] not in provider.refresh
    assert "signed out already" in run(tmp_path, "logout").stdout
    refused = run(tmp_path, "job", "list")
    assert (refused.exit_code, "run `jobqueue login --context prod`" in refused.stderr) == (2, True)
    assert len(api.seen) == 2


def test_another_provider_than_before(tmp_path: Path, api: FakeApi, provider: OidcProvider) -> None:
    """An API that was taken over could have its users sign in for another API."""
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use")
    api.on("GET", "/auth/provider", named(provider), named(provider, client_id="other"))
    assert run(tmp_path, "login").exit_code == 0
    result = run(tmp_path, "login")
    assert (result.exit_code, "jobqueue login --replace" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "names no identity provider"),
        ({"issuer": "https://issuer.example", "client_id": 1}, "names no identity provider"),
        ({"issuer": "http://issuer.example", "client_id": "cli", "scopes": []}, "https://"),
        ({"issuer": "https://issuer.example", "client_id": "c\x1b[2J", "scopes": []}, "do not print"),
    ],
)
def test_answers_that_are_refused(tmp_path: Path, api: FakeApi, document: Any, says: str) -> None:
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use")
    api.on("GET", "/auth/provider", Reply(200, document))
    result = run(tmp_path, "login")
    assert (result.exit_code, says in result.stderr) == (2, True), result.output


def test_no_provider(tmp_path: Path, api: FakeApi) -> None:
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use")
    api.on("GET", "/auth/provider", Reply(200, {"issuer": None, "client_id": None, "scopes": []}))
    result = run(tmp_path, "login")
    assert (result.exit_code, "has no identity provider" in result.stderr) == (2, True)


def test_without_a_context(tmp_path: Path) -> None:
    for command in ("login", "logout"):
        result = run(tmp_path, command)
        assert (result.exit_code, "jobqueue context create" in result.stderr) == (2, True)


def test_a_context_with_a_token(tmp_path: Path, api: FakeApi) -> None:
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use", "--token-command", "pass show jobqueue")
    result = run(tmp_path, "login")
    assert (result.exit_code, "has a token of its own" in result.stderr) == (2, True)


def test_a_context_that_is_removed_leaves_no_token(tmp_path: Path, api: FakeApi, provider: OidcProvider) -> None:
    run(tmp_path, "context", "create", "prod", "--url", api.url, "--use")
    api.on("GET", "/auth/provider", named(provider))
    run(tmp_path, "login")
    path = tmp_path / ".config/jobqueue/logins/prod.json"
    assert path.exists()
    run(tmp_path, "context", "delete", "prod")
    assert not path.exists()
