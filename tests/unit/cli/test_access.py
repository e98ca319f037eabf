"""key, user, role and audit, against the API itself."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from api.app import create_app
from jobqueue.cli.commands.audit import audit
from jobqueue.cli.commands.key import key
from jobqueue.cli.commands.role import role
from jobqueue.cli.commands.user import user
from jobqueue.cli.main import main
from jobqueue.settings import Settings
from tests.unit.api.fakes import FakeServices

TOKEN = "the-token-of-these-tests"
PASSWORD = "correct horse battery"
_GROUPS: dict[str, click.Command] = {"key": key, "user": user, "role": role, "audit": audit}

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture(scope="module")
def url(services: FakeServices) -> Iterator[str]:
    settings = Settings(state_dir=Path("/nonexistent"), token=TOKEN, login_failures=1_000_000)
    app = create_app(settings, services)  # type: ignore[arg-type]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def empty(services: FakeServices) -> None:
    services.ledger.client.flushall()
    services.credential_verifier.forget()
    services.ledger.audit._seen = (0, "")


@pytest.fixture
def run(url: str) -> Run:
    """``run("key", "list")`` as the administrator, or with another ``token``."""

    def call(group: str, *arguments: str, stdin: str | None = None, token: str = TOKEN) -> Result:
        environ = {"JOBQUEUE_URL": url, "JOBQUEUE_TOKEN": token}
        return CliRunner(env=environ).invoke(_GROUPS[group], list(arguments), input=stdin, catch_exceptions=False)

    return call


def rows(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [" ".join(line.split()) for line in result.stdout.splitlines()[1:]]


def test_a_key(run: Run) -> None:
    made = run("key", "create", "ci", "--role", "read", "--permission", "key:read", "--expires", "90d")
    text = made.stdout.strip()
    assert text.startswith("jq_")
    assert "shown only here" in made.stderr
    key_id = text.split("_")[1]
    (line,) = rows(run("key", "list"))
    assert line.startswith(f"{key_id} ci read key:read 20")
    assert text.rsplit("_", 1)[1] not in run("key", "list", "--json").stdout
    # it opens what it should, and nothing else
    assert run("key", "list", token=text).exit_code == 0
    refused = run("key", "create", "more", "--role", "read", token=text)
    assert refused.exit_code == 2
    assert "ci lacks the permission key:write" in refused.stderr
    assert run("key", "revoke", key_id).stdout == f"{key_id}  revoked\n"
    assert run("key", "revoke", key_id).exit_code == 2
    assert rows(run("key", "list")) == []


def test_a_user(run: Run, tmp_path: Path) -> None:
    made = run("user", "create", "alice", "--role", "write").stdout.strip()
    assert len(made) == 24
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    given = run("user", "create", "bob", "--role", "read", "--password-file", str(file))
    assert given.stdout == "bob  created\n"
    assert [line.split()[0] for line in rows(run("user", "list"))] == ["alice", "bob"]
    assert run("user", "password", "bob", "--password-file", "-", stdin="another password").exit_code == 0
    assert len(run("user", "password", "alice").stdout.strip()) == 24
    assert run("user", "disable", "alice", "bob").stdout == "alice  disabled\nbob  disabled\n"
    assert [line.split()[-1] for line in rows(run("user", "list"))] == ["true", "true"]
    assert run("user", "enable", "alice").exit_code == 0
    assert run("user", "delete", "alice", "bob").exit_code == 0
    missing = run("user", "delete", "alice")
    assert (missing.exit_code, "alice" in missing.stderr) == (2, True)


def test_a_password_from_a_file_is_the_one_that_logs_in(run: Run, services: FakeServices, url: str) -> None:
    import urllib3

    run("user", "create", "bob", "--role", "read", "--password-file", "-", stdin=f"{PASSWORD}\r\n")
    basic = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    answer = urllib3.request("GET", f"{url}/job", headers={"Authorization": f"Basic {basic}"})
    assert answer.status == 200


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_password_file_made_on_windows(
    run: Run, services: FakeServices, url: str, tmp_path: Path, encoding: str
) -> None:
    import urllib3

    file = tmp_path / "password"
    file.write_bytes(f"{PASSWORD}\r\n".encode(encoding))
    assert run("user", "create", "bob", "--role", "read", "--password-file", str(file)).exit_code == 0
    basic = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    assert urllib3.request("GET", f"{url}/job", headers={"Authorization": f"Basic {basic}"}).status == 200


def test_a_password_file_that_is_no_text(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"pass\xffword")
    result = run("user", "create", "bob", "--role", "read", "--password-file", str(file))
    assert result.exit_code == 2
    assert "byte 4 is not valid UTF-8" in result.stderr


def test_no_password_on_the_command_line(run: Run) -> None:
    result = run("user", "create", "bob", "--password", PASSWORD)
    assert result.exit_code == 2
    assert "No such option" in result.output


def test_a_role(run: Run) -> None:
    assert run("role", "create", "ops", "job:*", "agent:read").stdout == "ops  agent:read job:*\n"
    assert rows(run("role", "list"))[-1] == "ops false agent:read job:*"
    run("key", "create", "k", "--role", "ops")
    used = run("role", "delete", "ops")
    assert (used.exit_code, "in use" in used.stderr) == (2, True)
    assert run("role", "delete", "read").exit_code == 2


def test_the_audit_trail(run: Run, services: FakeServices, tmp_path: Path) -> None:
    run("role", "create", "ops", "job:read")
    run("key", "create", "ci", "--role", "ops")
    run("key", "list", token="wrong")
    lines = rows(run("audit", "list"))
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert "refused 401 GET /key" in lines[0]
    assert "admin 127.0.0.1 done 201 POST /key" in lines[1]
    assert len(rows(run("audit", "list", "--who", "admin"))) == 2
    assert "3 entries, 1 to 3" in run("audit", "verify").stdout
    target = tmp_path / "audit.jsonl"
    assert run("audit", "export", "--output", str(target)).exit_code == 0
    exported = [json.loads(line) for line in target.read_text().splitlines()]
    assert [entry["number"] for entry in exported] == [1, 2, 3]
    assert run("audit", "export").stdout == target.read_text()


def test_a_trail_that_was_changed(run: Run, services: FakeServices) -> None:
    for name in ("a", "b", "c"):
        run("role", "create", name, "job:read")
    stream = services.ledger.keys.kind("audit")
    services.ledger.client.xdel(stream, "0-2")
    broken = run("audit", "verify")
    assert broken.exit_code == 1
    assert "Entries 2 to 2 are missing" in broken.stderr
    assert json.loads(run("audit", "verify", "--json").stdout)["valid"] is False


def test_what_others_wrote_cannot_steer_the_terminal(run: Run, services: FakeServices, url: str) -> None:
    import urllib3

    urllib3.request("POST", f"{url}/agent/a%1b%5b31m%0ab/drain", headers={"Authorization": f"Bearer {TOKEN}"})
    shown = run("audit", "list").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2


def test_they_are_commands_of_jobqueue() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    for name in _GROUPS:
        assert f"\n  {name} " in shown
