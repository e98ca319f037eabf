"""Where secrets come from, and that nothing which an operation does brings one out again."""

from __future__ import annotations

import io
import logging
import shlex
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from marshmallow import fields

from jobqueue.errors import InvalidSettings, OperationCancelled, OperationFailed, OperationTimedOut
from jobqueue.operations.base import Operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.operations.schema import Schema
from jobqueue.settings import Settings
from workers.agent.secrets.vault import Vault

CANARY = "canary-of-the-tests/01"
OTHER = "another-canary-of-the-tests"
PROGRAM = """
import sys
name = sys.argv[-1]
print("noise on standard error", file=sys.stderr)
sys.exit(3) if name == "none" else print("short" if name == "short" else f"{name}-from-the-program")
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "file").write_text(f"{CANARY}\n")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return Settings(
        state_dir=tmp_path,
        redis_url="redis://me:the-password-of-redis@127.0.0.1:1/0",
        token="the-token-of-the-api",
        secrets_dir=tmp_path / "secrets",
        secrets_command=shlex.join([sys.executable, str(program), "with an argument"]),
    )


@pytest.fixture
def environ() -> dict[str, str]:
    return {"JOBQUEUE_SECRET_DB_PASSWORD": OTHER, "HOME": "/root"}


@pytest.fixture
def vault(settings: Settings, environ: dict[str, str]) -> Vault:
    return Vault.open(settings, environ)


def secret(name: str) -> dict[str, str]:
    return {"$secret": name}


class RecordedRun:
    """All that a run tells."""

    def __init__(self, vault: Vault, **more: Any) -> None:
        self.output: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self.reports: list[Any] = []
        self.context = Context("web1", secrets=vault, output=self._write, report=self.reports.append, **more)

    def _write(self, stream: str, chunk: bytes) -> None:
        self.output[stream] += chunk


class Free(Schema):
    x = fields.Raw()


def operation(function: Any) -> Operation:
    return Operation("test.secret.do", function, Free)


def shell(vault: Vault, command: str, **more: Any) -> tuple[Outcome, RecordedRun]:
    run = RecordedRun(vault, **more)
    env = {"A": secret("db-password"), "B": secret("file"), "C": secret("asked")}
    outcome = run_operation(
        Registry.load([]).get("command.shell.execute"), {"command": command, "env": env}, run.context
    )
    return outcome, run


class TestProviders:
    def test_each(self, vault: Vault) -> None:
        data = {"a": secret("db-password"), "b": [secret("file")], "c": secret("asked"), "d": secret("DB_PASSWORD")}
        filled = vault.fill_in(data, Context("web1"))
        assert filled == {"a": OTHER, "b": [CANARY], "c": "asked-from-the-program", "d": OTHER}

    def test_the_environment_holds_them_no_more(self, vault: Vault, environ: dict[str, str]) -> None:
        assert environ == {"HOME": "/root"}

    def test_unknown(self, settings: Settings) -> None:
        vault = Vault.open(Settings(state_dir=settings.state_dir, secrets_dir=settings.secrets_dir), {})
        with pytest.raises(OperationFailed, match=r"no secret 'nobody'.*JOBQUEUE_SECRET_NOBODY"):
            vault.fill_in(secret("nobody"), Context("web1"))

    def test_a_command_that_fails(self, vault: Vault) -> None:
        with pytest.raises(OperationFailed, match=r"ended with code 3 for 'none'\."):
            vault.fill_in(secret("none"), Context("web1"))

    def test_a_command_obeys_a_cancel(self, tmp_path: Path) -> None:
        vault = Vault.open(Settings(state_dir=tmp_path, secrets_command="sh -c 'sleep 600'"), {})
        stop = threading.Event()
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(OperationCancelled):
            vault.fill_in(secret("x"), Context("web1", cancelled=stop))

    @pytest.mark.parametrize("value", ["short", "  seven77  ", "x" * 20_000])
    def test_what_cannot_be_a_secret(self, settings: Settings, tmp_path: Path, value: str) -> None:
        with pytest.raises(InvalidSettings, match="JOBQUEUE_SECRET_A cannot be a secret") as error:
            Vault.open(settings, {"JOBQUEUE_SECRET_A": value})
        assert value not in str(error.value)
        (tmp_path / "secrets" / "bad").write_text(value)
        with pytest.raises(OperationFailed, match="'bad'") as failure:
            Vault.open(settings, {}).fill_in(secret("bad"), Context("web1"))
        assert value not in str(failure.value)

    def test_a_file_that_others_may_write(self, settings: Settings, tmp_path: Path) -> None:
        file = tmp_path / "secrets" / "file"
        vault = Vault.open(settings, {})
        file.chmod(file.stat().st_mode | stat.S_IWOTH)
        with pytest.raises(OperationFailed, match="chmod go-w"):
            vault.fill_in(secret("file"), Context("web1"))

    def test_a_directory_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match="JOBQUEUE_SECRETS_DIR"):
            Vault.open(Settings(state_dir=tmp_path, secrets_dir=tmp_path / "none"), {})

    def test_rotation(self, vault: Vault, tmp_path: Path) -> None:
        """The new value counts at once, and the old one is still looked for."""
        (tmp_path / "secrets" / "file").write_text("the-new-value-of-it")
        assert vault.fill_in(secret("file"), Context("web1")) == "the-new-value-of-it"
        assert vault.redactor().text(f"{CANARY} the-new-value-of-it") == "*** ***"


class TestRuns:
    def test_a_command_gets_it_and_cannot_show_it(self, vault: Vault) -> None:
        digest_of = 'printf %s "$A" | sha256sum | cut -c-8'
        command = f'echo "$A"; echo "$B" >&2; printf %s "$C" | base64; {digest_of}; printf "$A" | fold -w 5'
        outcome, run = shell(vault, command)
        digest = subprocess.run(["sha256sum"], input=OTHER.encode(), capture_output=True, check=True).stdout[:8]
        assert digest in run.output["stdout"]  # the command had the value
        assert outcome.data["stdout"].encode() == run.output["stdout"]
        first, second, _, folded = outcome.data["stdout"].split("\n")
        assert (first, second[:3], folded) == ("***", "***", "***")
        assert outcome.data["stderr"] == "***\n"
        assert run.output["stderr"] == b"***\n"

    def test_secrets_that_the_job_did_not_name(self, vault: Vault, settings: Settings) -> None:
        run = RecordedRun(vault)
        argv = ["cat", str(settings.secrets_dir) + "/file"]
        outcome = run_operation(Registry.load([]).get("command.exec.execute"), {"argv": argv}, run.context)
        assert outcome.data["stdout"] == "***\n"
        argv = ["echo", f"{OTHER} the-password-of-redis the-token-of-the-api"]
        outcome = run_operation(Registry.load([]).get("command.exec.execute"), {"argv": argv}, run.context)
        assert outcome.data["stdout"] == "*** *** ***\n"

    def test_a_time_out(self, vault: Vault) -> None:
        with pytest.raises(OperationTimedOut) as error:
            shell(vault, 'echo "$A"; echo "$B" >&2; sleep 600', timeout_seconds=5.0, deadline=Context("x").clock() + 5)
        assert error.value.details == {"stdout": "***\n", "stderr": "***\n"}

    def test_results_reports_and_errors(self, vault: Vault) -> None:
        def report(data: dict[str, Any], context: Context) -> Any:
            context.report({"phase": data["x"], data["x"]: [f"a{OTHER}b"]})
            context.output("stdout", f"{OTHER[:10]}".encode())
            context.output("stdout", OTHER[10:].encode())
            return {"x": data["x"], OTHER: (1, f"<{data['x']}>")}

        run = RecordedRun(vault)
        outcome = run_operation(operation(report), {"x": secret("db-password")}, run.context)
        assert outcome.data == {"x": "***", "***": [1, "<***>"]}
        assert run.reports == [{"phase": "***", "***": ["a***b"]}]
        assert run.output["stdout"] == b"***"

        def fail(data: dict[str, Any], _: Context) -> Any:
            raise OperationFailed(f"cannot log in with {data['x']}", {"tried": [data["x"]]})

        with pytest.raises(OperationFailed) as failure:
            run_operation(operation(fail), {"x": secret("db-password")}, run.context)
        assert (failure.value.message, failure.value.details) == ("cannot log in with ***", {"tried": ["***"]})
        assert failure.value.__cause__ is None

    @pytest.mark.parametrize("length", range(1970, 2010, 3))
    def test_an_error_that_is_cut(self, vault: Vault, length: int) -> None:
        def fail(data: dict[str, Any], _: Context) -> Any:
            raise ValueError("x" * length + data["x"])

        with pytest.raises(OperationFailed) as failure:
            run_operation(operation(fail), {"x": secret("db-password")}, RecordedRun(vault).context)
        assert OTHER[:4] not in failure.value.message

    def test_a_value_is_not_searched_for_facts_or_secrets(self, settings: Settings) -> None:
        vault = Vault.open(settings, {"JOBQUEUE_SECRET_A": '@fact.os and {"$secret": "file"}'})
        seen: list[str] = []
        run_operation(operation(lambda data, _: seen.append(data["x"])), {"x": secret("a")}, RecordedRun(vault).context)
        assert seen == ['@fact.os and {"$secret": "file"}']

    def test_without_secrets_a_name_is_refused(self) -> None:
        with pytest.raises(OperationFailed, match="refers to a secret"):
            run_operation(operation(lambda data, _: data), {"x": secret("a")}, Context("web1"))

    def test_logs(self, vault: Vault) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logging.getLogger().addHandler(handler)
        try:
            vault.guard_logs()

            def fail(data: dict[str, Any], _: Context) -> Any:
                raise ValueError(f"no entry with {data['x']}")

            with pytest.raises(OperationFailed, match=r"no entry with \*\*\*"):
                run_operation(operation(fail), {"x": secret("file")}, RecordedRun(vault).context)
        finally:
            logging.getLogger().removeHandler(handler)
            for other in logging.getLogger().handlers:
                other.setFormatter(None)
        assert "Traceback" in stream.getvalue()
        assert "no entry with ***" in stream.getvalue()
        assert CANARY not in stream.getvalue()
