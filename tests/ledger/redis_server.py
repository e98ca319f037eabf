"""A real Redis server for tests: private, on a unix socket, with everything it writes in one directory."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

_START_SECONDS = 20.0


class RedisServer:
    """One server that can be stopped, paused and started again. ``persistent``: its data outlives a restart."""

    def __init__(self, binary: Path, directory: Path, *, persistent: bool = False) -> None:
        self._binary = binary
        self._directory = directory
        self._persistent = persistent
        self._socket = directory / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._directory), "--save", ""]
        options += ["--appendonly", "yes" if self._persistent else "no", "--appendfsync", "always"]
        self._process = subprocess.Popen(
            [str(self._binary), *options], env={"LC_ALL": "C"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            while True:
                try:
                    client.ping()
                    return
                except RedisConnectionError:  # also while it loads
                    assert self._process.poll() is None, "the Redis server ended at its start"
                    assert time.monotonic() < deadline, "the Redis server does not answer"
                    time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash would, and return when it is gone."""
        assert self._process
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)
