"""The commands that run the system here: what they refuse before anything is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from jobqueue import __version__
from jobqueue.cli.commands import parts
from jobqueue.cli.main import main
from jobqueue.errors import JobQueueError
from jobqueue.settings import Settings
from jobqueue.standalone.ports import claim_port, free_port, url_host
from jobqueue.standalone.stack import named_agents, numbered_agents
from jobqueue.standalone.state import StateDirectory


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def run(*arguments: str, **environ: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, env=environ, catch_exceptions=False)
    return result.exit_code, result.output


def test_version_also_as_a_module() -> None:
    answer = subprocess.run([sys.executable, "-m", "jobqueue", "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout == f"jobqueue, version {__version__}\n"


def test_help_names_every_command() -> None:
    code, output = run("--help")
    assert code == 0
    for name in ("up", "demo", "check", "api", "worker", "maintenance", "flower", "job", "agent", "operation"):
        assert f"\n  {name} " in output


@pytest.mark.parametrize("command", ["up", "api", "worker", "maintenance", "flower"])
def test_an_error_is_one_line_and_exit_code_2(command: str, tmp_path: Path) -> None:
    code, output = run(command, JOBQUEUE_TYPO="1", JOBQUEUE_STATE_DIR=str(tmp_path))
    assert code == 2
    assert output.startswith("Error: Unknown setting JOBQUEUE_TYPO")
    assert output.count("\n") == 1


def test_check_reports_every_wrong_setting() -> None:
    code, output = run("check", JOBQUEUE_TYPO="1", JOBQUEUE_API_PORT="x")
    assert code == 2
    names = [
        next(word.rstrip(";") for word in line.split() if word.startswith("JOBQUEUE_")) for line in output.splitlines()
    ]
    assert names == ["JOBQUEUE_TYPO", "JOBQUEUE_API_PORT"]


def test_up_refuses_a_taken_port(taken: int, tmp_path: Path) -> None:
    code, output = run("up", "--port", str(taken), "--state-dir", str(tmp_path))
    assert (code, output) == (2, f"Error: Port {taken} on 127.0.0.1 is taken; choose another one with --port.\n")


def test_a_second_up_reports_the_first(tmp_path: Path) -> None:
    with StateDirectory(tmp_path):
        code, output = run("up", "--state-dir", str(tmp_path))
    assert code == 2
    assert f"already up as process {os.getpid()} on {tmp_path}" in output


def test_flower_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, output = run("up", "--flower", "--state-dir", str(tmp_path))
    assert code == 2
    assert "Flower needs flower, not installed here: pip install 'jobqueue[flower]'" in output


class Part:
    """Stands in for api.server, workers.agent.main, ...: notes what it is called with."""

    def __init__(self, code: int | None = None) -> None:
        self.code = code
        self.calls: list[tuple[str, Settings, dict[str, Any]]] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def import_module(name: str) -> Any:
            def called(settings: Settings, **options: Any) -> int | None:
                self.calls.append((name, settings, options))
                return self.code

            return type("Module", (), {"run": staticmethod(called), "serve": staticmethod(called)})

        monkeypatch.setattr(parts.importlib, "import_module", import_module)


def test_worker_merges_labels_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part()
    part.install(monkeypatch)
    arguments = ["--hostname", "web1", "--label", "n=1", "--label", "group=db", "--concurrency", "3", "--events"]
    result = CliRunner().invoke(parts.worker, arguments, env={"JOBQUEUE_LABELS": "group=web,zone=a"})
    assert result.exit_code == 0, result.output
    [(module, settings, options)] = part.calls
    assert module == "workers.agent.main"
    assert settings.labels == {"group": "db", "zone": "a", "n": "1"}
    assert (settings.hostname, settings.concurrency, options) == ("web1", 3, {"events": True})


@pytest.mark.parametrize("label", ["web", "a=b,c=d", "a=b c", "=x"])
def test_worker_refuses_an_invalid_label(label: str) -> None:
    code, output = run("worker", "--label", label)
    assert code == 2
    assert "'--label'" in output


def test_parts_end_with_the_exit_code_that_they_return(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(code=3)
    part.install(monkeypatch)
    assert CliRunner().invoke(parts.maintenance).exit_code == 3
    assert CliRunner().invoke(parts.api, ["--port", "9001", "--workers", "2"]).exit_code == 3
    assert [name for name, _, _ in part.calls] == ["workers.maintenance.service", "api.server"]
    assert (part.calls[1][1].api_port, part.calls[1][1].api_workers) == (9001, 2)


def test_flower_keeps_the_token_off_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def import_module(name: str) -> Any:
        assert name == "jobqueue.dispatch.app"
        app = SimpleNamespace(start=started.append)
        return SimpleNamespace(make_app=lambda settings: app)

    for name in ("FLOWER_BASIC_AUTH", "FLOWER_ADDRESS", "FLOWER_PORT"):
        monkeypatch.setenv(name, "")  # so that what the command sets is undone
    monkeypatch.setattr(parts.importlib, "import_module", import_module)
    result = CliRunner().invoke(parts.flower, ["--port", "5566"], env={"JOBQUEUE_TOKEN": "s3cret"})
    assert result.exit_code == 0, result.output
    assert started == [["flower"]]
    assert os.environ["FLOWER_BASIC_AUTH"] == "admin:s3cret"
    assert (os.environ["FLOWER_ADDRESS"], os.environ["FLOWER_PORT"]) == ("127.0.0.1", "5566")


def test_flower_needs_a_password_that_it_can_take(tmp_path: Path) -> None:
    code, output = run("flower", JOBQUEUE_STATE_DIR=str(tmp_path), JOBQUEUE_TOKEN="a,b")
    assert (code, output) == (
        2,
        "Error: Flower does not support a comma in the password; choose another JOBQUEUE_TOKEN.\n",
    )


def test_agents_are_numbered_and_labels_take_turns() -> None:
    assert [(plan.hostname, plan.labels) for plan in numbered_agents(4)] == [
        ("agent1", {"group": "web.dev", "n": "1"}),
        ("agent2", {"group": "web.prod", "n": "2"}),
        ("agent3", {"group": "db", "n": "3"}),
        ("agent4", {"group": "web.dev", "n": "4"}),
    ]


def test_agents_by_name_are_in_the_group_that_the_name_says() -> None:
    assert [(plan.hostname, plan.labels) for plan in named_agents(["web1", "web2", "db1", "cache-07.fra", "7"])] == [
        ("web1", {"group": "web.dev"}),
        ("web2", {"group": "web.prod"}),
        ("db1", {"group": "db"}),
        ("cache-07.fra", {"group": "cache"}),
        ("7", {}),
    ]


@pytest.mark.parametrize("value", ["a b", "-1", "web1,web1", "101", "99999999999", "_any"])
def test_agents_that_cannot_be(value: str, tmp_path: Path) -> None:
    code, output = run("up", "--agents", value, "--state-dir", str(tmp_path))
    assert code == 2
    assert "--agents" in output


def test_ports(taken: int) -> None:
    assert claim_port("127.0.0.1", 0, "--port") > 0
    port = free_port()
    assert claim_port("127.0.0.1", port, "--port") == port
    with pytest.raises(
        JobQueueError, match=rf"Port {taken} on 127\.0\.0\.1 is taken; choose another one with --flower-port"
    ):
        claim_port("127.0.0.1", taken, "--flower-port")
    with pytest.raises(JobQueueError, match="is not a local address"):
        claim_port("no.such.host.invalid", 0, "--port")
    with pytest.raises(JobQueueError, match=r"Nothing can listen on 192\.0\.2\.1 port 0"):
        claim_port("192.0.2.1", 0, "--port")


def test_how_a_client_names_an_address() -> None:
    hosts = ("0.0.0.0", "::", "::1", "127.0.0.1", "host")  # noqa: S104 - only named, not listened on
    assert [url_host(host) for host in hosts] == [
        "127.0.0.1",
        "[::1]",
        "[::1]",
        "127.0.0.1",
        "host",
    ]
