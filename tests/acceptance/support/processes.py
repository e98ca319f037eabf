"""Processes that the tests start, and a look at the machine for those that they should not leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

#: In the environment of everything that a test starts, and of what that starts.
MARK = "ACCEPTANCE_RUN"
_STOP_SECONDS = 60.0
_TAIL_BYTES = 12_000


class Process:
    """A process in a group of its own, its output in a file."""

    def __init__(self, name: str, argv: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.log_file = directory / f"{name}.log"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=directory,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    def log(self) -> str:
        """The end of what it printed."""
        return self.log_file.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Its exit code; fails the test if it does not end in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds:g} s:\n{self.log()}") from None

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self, seconds: float = _STOP_SECONDS) -> int:
        """SIGTERM, and wait for the end; what does not end in time is killed, and the test fails."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait()  # otherwise it stays a zombie, and later tests report a warning


def marked(value: str) -> list[psutil.Process]:
    """Processes that carry the mark ``value``, zombies left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def working_in(directory: Path) -> list[psutil.Process]:
    """Processes whose working directory is ``directory`` or below; Redis has an environment of its own."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(directory) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def with_argument(text: str) -> list[psutil.Process]:
    """Processes that have ``text`` as one of their arguments."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if text in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def unique_seconds() -> str:
    """An argument for `sleep` that no other process has: by it the tests find what they started."""
    return f"600.{uuid.uuid4().int % 10**9:09}"


def describe(processes: Sequence[psutil.Process]) -> list[str]:
    """One line each."""
    lines = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            lines.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
    return lines
