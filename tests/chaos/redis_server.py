"""A Redis that can be killed: what it has acknowledged is on disk (append-only file, written with every command)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from jobqueue.standalone.binary import find_redis_server

_START_SECONDS = 30.0


class ChaosRedis:
    """One server on a unix socket, with all its files in ``directory``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._argv = [
            str(find_redis_server().path),
            *("--port", "0", "--unixsocket", str(self._socket), "--dir", str(directory), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def client(self, timeout: float = 2.0) -> redis.Redis:
        """A client that does not try again: a fault in one place must not wait for one in another."""
        client: redis.Redis = redis.Redis.from_url(
            self.url,
            decode_responses=True,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        return client

    def start(self) -> None:
        """Start it and wait until it has loaded its data."""
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._directory,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except RedisError:
                    assert self.is_running, (self._directory / "redis.log").read_text()[-2000:]
                    assert time.monotonic() < end, "Redis does not answer"
                    time.sleep(0.02)
                else:
                    return

    def send(self, number: signal.Signals) -> None:
        """A signal, if it runs."""
        if self._process is not None and self.is_running:
            os.kill(self._process.pid, number)

    def end(self, number: signal.Signals) -> None:
        """A signal that ends it, and wait; nothing if it has ended."""
        if self._process is not None:
            self.send(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self._process.kill()
            self._process.wait()
            self._process = None
