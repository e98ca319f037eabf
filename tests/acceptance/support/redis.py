"""A Redis that a test may stop and start again; `jobqueue up` would start its own one again by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from jobqueue.standalone.redis import EmbeddedRedis


class OwnRedis:
    """A server with an append-only file, so that a restart keeps the data."""

    def __init__(self, directory: Path) -> None:
        self._server = EmbeddedRedis(directory, persistent=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._server.prepare()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        """Start it; the data of the last run is there again."""
        assert self._process is None
        self._process = subprocess.Popen(
            self._server.argv,
            env=self._server.environ,
            cwd=self._server.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._server.wait_ready()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """SIGKILL, and wait."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
