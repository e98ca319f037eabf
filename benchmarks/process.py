"""A process that a benchmark starts and ends itself, by its pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

_STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.02


class BenchmarkError(Exception):
    """Something that was to be measured did not work; the message says what."""


class Process:
    """A running command in a session of its own, its output in a file."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], log: Path, directory: Path) -> None:
        self._log = log
        self._name = " ".join(argv[1:4])
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                argv,
                env=dict(environ),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tree(self) -> list[psutil.Process]:
        """The process and all below it."""
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """What the process and all below it have used so far."""
        times = [member.cpu_times() for member in self.tree()]
        return float(sum(time.user + time.system for time in times))

    def wait_until(
        self, done: Callable[[], bool], what: str, seconds: float = 60.0, look: float = _LOOK_SECONDS
    ) -> None:
        """Return once ``done()``; raises ``BenchmarkError`` when that takes too long or the process ends before."""
        deadline = time.monotonic() + seconds
        while not done():
            if self._process.poll() is not None:
                raise BenchmarkError(f"{self._name} ended with {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{self._name}: {what} took longer than {seconds:g} s:\n{self._tail()}")
            time.sleep(look)

    def succeed(self, what: str, seconds: float = 60.0) -> None:
        """Wait until the process has ended with 0; raises ``BenchmarkError`` otherwise, or when it takes too long."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{self._name}: {what} took longer than {seconds:g} s:\n{self._tail()}") from None
        if code:
            raise BenchmarkError(f"{self._name}: {what} ended with {code}:\n{self._tail()}")

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL to its session."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
