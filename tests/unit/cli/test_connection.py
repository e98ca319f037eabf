"""How the commands reach the API, and what they say when they cannot."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobqueue.cli import connection
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, job
from tests.unit.client.fake_api import FakeApi, Reply

AGENTS = Reply(200, {"agents": [], "total": 0})


@pytest.mark.parametrize("place", ["group", "command"])
def test_url_and_token_file(api: FakeApi, run: Run, tmp_path: Path, place: str) -> None:
    api.on("GET", "/agent", AGENTS)
    file = tmp_path / "token"
    file.write_text("from-file\n")
    options = ["--url", api.url, "--token-file", str(file)]
    arguments = [*options, "list"] if place == "group" else ["list", *options]
    result = run("agent", *arguments, env={"JOBQUEUE_URL": "http://127.0.0.1:1"})
    assert result.exit_code == 0, result.output
    assert api.seen[0].headers["Authorization"] == "Bearer from-file"


def test_a_refusal_is_one_sentence(api: FakeApi, run: Run) -> None:
    """Its details are for programs."""
    text = "bob has job:write on some hosts only (job:write@group:web)."
    details = {"permission": "job:write", "grant": "job:write@group:web", "hosts": [], "more": ["web9"]}
    api.on("GET", "/agent", Reply(403, {"error": text, "code": 403, "details": details}))
    assert run("agent", "list").stderr == f"Error: {text} (more: web9)\n"


def test_token_from_standard_input(api: FakeApi, run: Run) -> None:
    api.on("GET", "/agent", AGENTS)
    run("agent", "list", "--token-file", "-", stdin="from-input\n")
    assert api.seen[0].headers["Authorization"] == "Bearer from-input"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_token_file_made_on_windows(api: FakeApi, run: Run, tmp_path: Path, encoding: str) -> None:
    api.on("GET", "/agent", AGENTS)
    file = tmp_path / "token"
    file.write_bytes("from-file\r\n".encode(encoding))
    result = run("agent", "list", "--token-file", str(file))
    assert result.exit_code == 0, result.output
    assert api.seen[0].headers["Authorization"] == "Bearer from-file"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"two words"])
def test_bad_token_files(api: FakeApi, run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    result = run("agent", "list", "--token-file", str(file))
    assert result.exit_code == 2
    assert "token" in result.stderr
    assert api.seen == []


def one_line_on_stderr(text: str) -> str:
    assert text.count("\n") == 1
    assert text.startswith("Error: ")
    return text


def test_no_api(run: Run) -> None:
    with socket.socket() as taken:  # bound but not listening: refuses
        taken.bind(("127.0.0.1", 0))
        result = run("job", "list", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert result.exit_code == 2
    assert result.stdout == ""
    complaint = one_line_on_stderr(result.stderr)
    assert "Cannot reach the jobqueue API at http://127.0.0.1:" in complaint
    assert "'jobqueue up'" in complaint


def test_errors_of_the_api_are_one_safe_line(api: FakeApi, run: Run) -> None:
    body = {
        "error": "Bad\nrequest \x1b[31m.",
        "code": 400,
        "details": {
            "operation": {"data": {"argv": ["Missing.", "Wrong."]}},
            "limit": ["Too large."],
            "": ["As a whole."],
        },
    }
    api.on("GET", "/job", Reply(400, body, {"X-Request-Id": "r1"}))
    result = run("job", "list")
    assert result.exit_code == 2
    assert result.stderr == (
        r"Error: Bad request \x1b[31m. (operation.data.argv: Missing. Wrong; limit: Too large; As a whole)" + "\n"
    )


def test_a_fault_of_the_server_names_the_request(api: FakeApi, run: Run) -> None:
    api.on(
        "GET", "/job", Reply(500, {"error": "Something broke.", "code": 500, "details": None}, {"X-Request-Id": "r1"})
    )
    assert run("job", "list").stderr == "Error: Something broke. (request r1)\n"


def test_unauthorized_says_what_to_do(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", Reply(401, {"error": "The token is unknown.", "code": 401, "details": None}))
    result = run("job", "list")
    assert result.exit_code == 2
    assert "--token-file" in one_line_on_stderr(result.stderr)


def test_a_typo_in_the_environment(api: FakeApi, run: Run) -> None:
    result = run("job", "list", env={"JOBQUEUE_TOKN": "x"})
    assert result.exit_code == 2
    assert "JOBQUEUE_TOKN" in one_line_on_stderr(result.stderr)
    assert api.seen == []


def test_each_wrong_setting_is_reported_once(api: FakeApi, run: Run) -> None:
    result = run("job", "list", env={"JOBQUEUE_TOKN": "x", "JOBQUEUE_LEASE_SECOND": "1"})
    said = one_line_on_stderr(result.stderr)
    assert said.count("JOBQUEUE_TOKN;") == said.count("JOBQUEUE_LEASE_SECOND;") == 1
    assert api.seen == []


def test_bad_url(run: Run) -> None:
    result = run("job", "list", "--url", "web1:8080")
    assert result.exit_code == 2
    assert "http://127.0.0.1:8080" in one_line_on_stderr(result.stderr)


def test_interrupt_is_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "Client", interrupt)
    result = run("job", "watch", ID)
    assert (result.exit_code, result.stdout) == (130, "")


def test_on_a_real_terminal(api: FakeApi) -> None:
    """Colours and a table within the terminal's width, and a host's escapes shown instead of obeyed."""
    listed = [job("failed", error="boom \x1b[2J" * 40, operation={"type": "[bold]x[/bold]", "data": {}})]
    found = {"total_items": 1, "is_least": True, "status_counts": {"failed": 1}, "items": listed}
    api.on("GET", "/job", Reply(200, found))
    master, slave = pty.openpty()
    environment = {**os.environ, "JOBQUEUE_URL": api.url, "TERM": "xterm", "COLUMNS": "100"}
    program = "from jobqueue.cli.commands.job import job; job()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "list"], stdout=slave, stdin=slave, env=environment
    ) as process:
        os.close(slave)
        shown = b""
        while chunk := _read(master):
            shown += chunk
    os.close(master)
    assert process.returncode == 0
    text = shown.decode().replace("\r\n", "\n")
    assert "\x1b[31mfailed" in text
    assert r"boom \x1b" in text
    assert "\x1b[2J" not in text
    assert "[bold]x[/bold]" in text
    assert "1 of at least 1 jobs. All jobs: failed 1." in text


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # Linux says EIO when the other side has been closed
        return b""


@pytest.mark.parametrize(
    ("message", "details", "shown"),
    [
        ("job_id: Must be a UUID.", {"job_id": ["Must be a UUID."]}, "job_id: Must be a UUID."),
        ("Nobody lacks the permission job:read; ask.", {"permission": "job:read"}, None),
        ("The data does not fit x: a: Missing; b: Wrong.", {"a": ["Missing."], "b": ["Wrong."]}, None),
        ("a: Missing. (and 1 more problem, see details)", {"a": ["Missing."], "b": ["Missing."]}, "(b: Missing)"),
        ("It is not.", {"job_id": "x1"}, "(job_id: x1)"),
    ],
)
def test_an_error_says_nothing_twice(
    api: FakeApi, run: Run, message: str, details: dict[str, Any], shown: str | None
) -> None:
    api.on("GET", "/job", Reply(400, {"error": message, "code": 400, "details": details}))
    said = run("job", "list").stderr
    assert said.startswith(f"Error: {message}")
    assert said == f"Error: {message}\n" or (shown is not None and said == f"Error: {message} {shown}\n")
    if shown is None or shown == message:
        assert said == f"Error: {message}\n"


def test_an_invalid_time_names_both_formats(api: FakeApi, run: Run) -> None:
    said = run("job", "submit", "x", "--not-before", "foo").stderr
    assert "a UTC time such as 2030-01-31T12:00:00Z, or a duration such as 10m" in said
