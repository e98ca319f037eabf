"""A running system: `jobqueue up` with all that it starts, and further agents beside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from urllib3.exceptions import HTTPError

from tests.acceptance.support.api import Api
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import MARK, Process, describe, marked, working_in
from tests.acceptance.support.until import until

ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 150.0  # longer than `jobqueue up` itself waits: it says what is missing
_SETTLE_SECONDS = 30.0


class Stack:
    """What one test (or all of them) works with. Everything it starts carries its mark and ends in ``close``."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        """``environ``: settings of this stack, on top of a clean environment."""
        self.directory = directory
        self.state = directory / "state"
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True)
        self.mark = uuid.uuid4().hex
        self._environ = {**clean_environ(), **(environ or {}), MARK: self.mark}
        self._processes: list[Process] = []
        self._agents: list[Process] = []
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        assert self._api is not None, "the stack is not up"
        return self._api

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a command that is to work with this stack."""
        return {**self._environ, "JOBQUEUE_STATE_DIR": str(self.state)}

    def up(self, agents: int = 3, *options: str) -> Process:
        """Start ``jobqueue up`` and wait until it serves."""
        # not any port: while the API is away because a test ended it, an outgoing connection might take that
        argv = [
            "up",
            "--port",
            str(free_port()),
            "--agents",
            str(agents),
            "--state-dir",
            str(self.state),
            "--verbose",
            *options,
        ]
        address = self.state / "api.url"
        address.unlink(missing_ok=True)  # left by one that was killed
        process = self.start("up", argv, self._environ)

        def serves() -> bool:
            assert process.exit_code is None, f"`jobqueue up` ended with {process.exit_code}:\n{process.log()}"
            return address.exists()

        try:
            until(serves, "`jobqueue up` serves", _START_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{process.log()}") from None
        self.use(address.read_text().strip(), (self.state / "admin.token").read_text().strip())
        return process

    def start_api(
        self, name: str, port: int, token: str, environ: Mapping[str, str] | None = None
    ) -> tuple[Process, Api]:
        """Start an API of this stack on a port, and wait until it is ready."""
        process = self.start(name, ["api"], {**self.environ, "JOBQUEUE_API_PORT": str(port), **(environ or {})})
        api = Api(f"http://127.0.0.1:{port}", token)

        def is_ready() -> bool:
            assert process.exit_code is None, process.log()
            try:
                return api.get("/health/ready").status == 200
            except HTTPError:
                return False

        until(is_ready, f"{name} is ready")
        return process, api

    def use(self, url: str, token: str) -> None:
        """Where this stack's API is."""
        self._api = Api(url, token)

    def start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Process:
        """Start a ``jobqueue`` command."""
        return self.start_program(name, [sys.executable, "-m", "jobqueue", *arguments], environ)

    def start_program(self, name: str, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Process:
        """Start any program; it ends with the stack."""
        process = Process(name, argv, self.environ if environ is None else {**environ, MARK: self.mark}, self.logs)
        self._processes.append(process)
        return process

    def agent(
        self,
        hostname: str,
        *options: str,
        environ: Mapping[str, str] | None = None,
        log_name: str | None = None,
        wait: bool = True,
    ) -> Process:
        """Start one more agent and wait until it is live."""
        settings = {**self.environ, **(environ or {})}
        process = self.start(log_name or hostname, ["worker", "--hostname", hostname, *options], settings)
        self._agents.append(process)

        def is_live() -> bool:
            assert process.exit_code is None, f"agent {hostname} ended with {process.exit_code}:\n{process.log()}"
            return self.api.agent(hostname).get("status") == "live"

        if wait:
            until(is_live, f"agent {hostname} is live")
        return process

    def run(self, *arguments: str, seconds: float = 60.0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a ``jobqueue`` command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "jobqueue", *arguments],
            env={**self.environ, **environ},
            cwd=self.logs,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def agent_pid(self, hostname: str) -> int:
        """The process of an agent that ``up`` started."""
        return self._oldest("worker", hostname)

    def part_pid(self, part: str) -> int:
        """The process of another part that ``up`` started, such as ``api``: its first one, the children look alike."""
        return self._oldest(part)

    def _oldest(self, part: str, hostname: str | None = None) -> int:
        """By age, because what a process has just forked has its arguments still."""
        found = []
        for process in marked(self.mark):
            with contextlib.suppress(psutil.Error, OSError):
                arguments = process.cmdline()
                if arguments[3:4] == [part] and (hostname is None or hostname in arguments):
                    found.append((process.create_time(), process.pid))
        return min(found)[1]

    def stop_agents(self) -> None:
        """Stop the agents beside those of ``up``, and wait for their end."""
        while self._agents:
            self._agents.pop().stop()

    def log_tails(self) -> dict[str, str]:
        """The end of every process's output."""
        return {process.name: process.log() for process in self._processes}

    def close(self) -> None:
        """Stop everything, last started first; fails if anything is left."""
        problems = []
        for process in reversed(self._processes):
            try:
                process.stop()
            except AssertionError as error:
                problems.append(str(error))
        if self._api is not None:
            self._api.close()
        problems += self._leftovers()
        assert not problems, problems

    def _leftovers(self) -> list[str]:
        """What still runs a little later, which is ended then."""

        def left() -> list[psutil.Process]:
            return [*marked(self.mark), *working_in(self.directory)]

        try:
            until(lambda: not left(), "nothing of the stack is left", _SETTLE_SECONDS)
        except AssertionError:
            found = left()
            lines = describe(found)
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            return [f"left behind: {line}" for line in lines]
        return []


def clean_environ() -> dict[str, str]:
    """The environment without settings of ours; the checkout can be imported from anywhere."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBQUEUE_")}
    environ["PYTHONPATH"] = str(ROOT)
    environ["JOBQUEUE_ALLOW"] = "*"
    environ["JOBQUEUE_PASS_ENVIRONMENT"] = MARK  # what commands leave behind is found by it
    environ["PYTHONUNBUFFERED"] = "1"
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    return environ
