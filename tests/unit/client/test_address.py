"""Where the client finds the API and its token, and to whom it never shows the token."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.client.address import resolve
from jobqueue.errors import InvalidInput, InvalidSettings


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "api.url").write_text("http://10.1.2.3:8080\n")
    (tmp_path / "admin.token").write_text("local-secret\n")
    return {"JOBQUEUE_STATE_DIR": str(tmp_path)}


def test_default_is_the_local_port_without_a_token(tmp_path: Path) -> None:
    found = resolve(environ={"JOBQUEUE_STATE_DIR": str(tmp_path)})
    assert (found.url, found.token) == ("http://127.0.0.1:8080", None)


def test_state_directory_gives_both(state: dict[str, str]) -> None:
    found = resolve(environ=state)
    assert (found.url, found.token) == ("http://10.1.2.3:8080", "local-secret")


def test_environment_wins_over_the_state_directory(state: dict[str, str]) -> None:
    found = resolve(environ={**state, "JOBQUEUE_URL": "https://q.example/base/", "JOBQUEUE_TOKEN": "mine"})
    assert (found.url, found.token) == ("https://q.example/base", "mine")


def test_arguments_win_over_all(state: dict[str, str]) -> None:
    environ = {**state, "JOBQUEUE_URL": "https://q.example", "JOBQUEUE_TOKEN": "mine"}
    found = resolve("http://localhost:1", "given", environ)
    assert (found.url, found.token) == ("http://localhost:1", "given")


def test_what_a_client_does_not_need_is_not_looked_for(tmp_path: Path) -> None:
    for name in ("redis.url", "api.url", "admin.token"):
        (tmp_path / name).mkdir()  # a directory cannot be read as a file, even by root
    state = {"JOBQUEUE_STATE_DIR": str(tmp_path)}
    environ = {**state, "JOBQUEUE_URL": "https://q.example", "JOBQUEUE_TOKEN": "mine"}
    assert resolve(environ=environ).token == "mine"
    assert resolve("http://localhost:1", environ={**state, "JOBQUEUE_TOKEN": "mine"}).url == "http://localhost:1"
    assert resolve(token="given", environ={**state, "JOBQUEUE_URL": "https://q.example"}).token == "given"
    with pytest.raises(InvalidSettings, match=r"admin\.token cannot be read"):
        resolve(environ={**state, "JOBQUEUE_URL": "http://127.0.0.1:1"})


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_the_local_token_never_goes_to_another_host(state: dict[str, str], by: str) -> None:
    url = "https://elsewhere.example"
    if by == "argument":
        assert resolve(url, environ=state).token is None
    else:
        assert resolve(environ={**state, "JOBQUEUE_URL": url}).token is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"])
def test_the_local_token_goes_to_this_machine(state: dict[str, str], url: str) -> None:
    assert resolve(url, environ=state).token == "local-secret"


def test_a_token_of_the_environment_goes_where_the_caller_says(state: dict[str, str]) -> None:
    assert resolve("https://elsewhere.example", environ={**state, "JOBQUEUE_TOKEN": "mine"}).token == "mine"


@pytest.mark.parametrize(
    "url",
    ["", "web1", "ftp://x", "http://", "http://x:port", "http://x?a=1", "http://x y", "http://x\n", "http://[::1"],
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"http://127\.0\.0\.1:8080"):
        resolve(url, "token")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve("http://joe:hunter2@x", "token")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb: c", "t\u00f6ken"])
def test_bad_tokens(token: str) -> None:
    with pytest.raises(InvalidInput, match="token"):
        resolve("http://x", token)


def test_a_typo_in_the_environment_is_an_error() -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_TOKN"):
        resolve(environ={"JOBQUEUE_TOKN": "x"})


def test_token_is_not_in_the_repr() -> None:
    assert "secret" not in repr(resolve("http://x", "secret"))
