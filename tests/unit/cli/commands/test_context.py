"""``jobqueue context``, and ``--context``."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobqueue.cli.main import main
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def run(home: Path, *arguments: str, **environ: str) -> Result:
    names = {"HOME": str(home), "XDG_CONFIG_HOME": None, "JOBQUEUE_URL": None, "JOBQUEUE_TOKEN": None, **environ}
    return CliRunner(env=names).invoke(main, list(arguments), catch_exceptions=False)


def done(home: Path, *arguments: str, **environ: str) -> str:
    result = run(home, *arguments, **environ)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(home: Path, *arguments: str, **environ: str) -> str:
    result = run(home, *arguments, **environ)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("Error: ") == 1
    return result.stderr


@pytest.fixture
def token(home: Path) -> Path:
    path = home / "token"
    path.write_text("s3cret\n")
    return path


@pytest.mark.parametrize("place", ["program", "group", "command", "environment", "current"])
def test_a_context_is_used(api: FakeApi, home: Path, token: Path, place: str) -> None:
    api.on("GET", "/agent", Reply(200, {"agents": [], "total": 0}))
    done(home, "context", "create", "prod", "--url", api.url, "--token-file", str(token))
    option = ["--context", "prod"]
    if place == "current":
        done(home, "context", "use", "prod")
    arguments = {
        "program": [*option, "agent", "list"],
        "group": ["agent", *option, "list"],
        "command": ["agent", "list", *option],
    }.get(place, ["agent", "list"])
    done(home, *arguments, **({"JOBQUEUE_CONTEXT": "prod"} if place == "environment" else {}))
    assert api.seen[0].headers["Authorization"] == "Bearer s3cret"


def test_adding_listing_showing_and_removing(home: Path, token: Path) -> None:
    assert "context use prod" in done(
        home, "context", "create", "prod", "--url", "https://p.example/", "--token-command", "pass show x"
    )
    assert "current" in done(home, "context", "create", "dev", "--url", "http://d", "--token-file", str(token), "--use")
    assert stat.S_IMODE((home / ".config/jobqueue/contexts.toml").stat().st_mode) == 0o600
    lines = [" ".join(line.split()) for line in done(home, "context", "list").splitlines()]
    assert lines[0] == "CURRENT NAME URL TOKEN CA"
    assert lines[1].endswith("prod https://p.example pass show x -")
    assert lines[2].startswith("* dev http://d ")
    found = json.loads(done(home, "context", "list", "--json", JOBQUEUE_CONTEXT="prod"))
    assert found["current"] == "prod"
    assert [item["current"] for item in found["contexts"]] == [True, False]
    shown = json.loads(done(home, "context", "show", "--json"))
    assert shown == {
        "name": "dev",
        "current": True,
        "url": "http://d",
        "token_file": str(token),
        "token_command": None,
        "ca": None,
    }
    assert "pass show x" in done(home, "context", "show", "prod")
    assert "s3cret" not in done(home, "context", "show")
    done(home, "context", "delete", "dev")
    assert "no current context" in refused(home, "context", "show")
    done(home, "context", "use", "prod")
    done(home, "context", "use", "--none")
    assert json.loads(done(home, "context", "list", "--json"))["current"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "a b", "--url", "http://x"], "Invalid context name"),
        (["create", "x", "--url", "x"], "not an API address"),
        (["create", "x", "--url", "http://u:p@x"], "must not contain a user or password"),
        (["create", "x", "--url", "http://x", "--token-file", "/none"], "does not exist"),
        (["create", "x", "--url", "http://x", "--token-file", "/"], "is a directory"),
        (["create", "x", "--url", "http://x", "--token-command", ""], "is empty"),
        (["create", "x", "--url", "http://x", "--token-command", "'"], "cannot be read"),
        (["create", "x", "--url", "http://x", "--token-command", "c", "--token-file", "/etc/hostname"], "one token"),
        (["create", "x", "--url", "http://x", "--ca", "/none"], "does not exist"),
        (["create", "prod", "--url", "http://x"], "--replace"),
        (["use", "prd"], "did you mean 'prod'?"),
        (["use"], "--none"),
        (["use", "prod", "--none"], "--none"),
        (["show", "other"], "there are prod"),
        (["delete", "other"], "there are prod"),
    ],
)
def test_refusals(home: Path, arguments: list[str], said: str) -> None:
    done(home, "context", "create", "prod", "--url", "http://p")
    before = (home / ".config/jobqueue/contexts.toml").read_text()
    assert said in refused(home, "context", *arguments)
    assert (home / ".config/jobqueue/contexts.toml").read_text() == before


@pytest.mark.parametrize("arguments", [["--context", "prd", "agent", "list"], ["agent", "list", "--context", "prd"]])
def test_a_context_that_is_not_there(home: Path, arguments: list[str]) -> None:
    done(home, "context", "create", "prod", "--url", "http://p")
    assert "no context 'prd'; did you mean 'prod'?" in refused(home, *arguments)


def test_an_unreadable_token(home: Path, token: Path) -> None:
    done(home, "context", "create", "prod", "--url", "http://127.0.0.1:1", "--token-file", str(token), "--use")
    token.unlink()
    assert f"{token}: No such file" in refused(home, "job", "list")


def test_an_address_and_a_context(home: Path) -> None:
    done(home, "context", "create", "prod", "--url", "http://p")
    assert "give one of them" in refused(home, "--context", "prod", "job", "list", "--url", "http://x")
