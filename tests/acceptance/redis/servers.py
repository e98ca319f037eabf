"""Redis servers that a test starts, stops, kills and freezes: alone, or as a primary with a replica and Sentinels."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from jobqueue.standalone.binary import find_redis_server
from jobqueue.standalone.ports import LOOPBACK
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.until import until

SERVICE = "jobs"
_STOP_SECONDS = 20.0
#: Sentinel calls a server down after this long without an answer.
_DOWN_AFTER_MS = 1000


class Server:
    """One ``redis-server`` on loopback, with its files in ``directory``. The same port in every run."""

    def __init__(self, directory: Path, *lines: str, sentinel: bool = False) -> None:
        """``lines``: what stands in its configuration, beside the address."""
        directory.mkdir(parents=True)
        self.directory = directory
        self.port = free_port()
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        common = [f"port {self.port}", f"bind {LOOPBACK}", f"dir {directory}", 'logfile "redis.log"', "daemonize no"]
        self._config = directory / "redis.conf"
        self._config.write_text("\n".join([*common, *lines]) + "\n")

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis(
            port=self.port,
            decode_responses=True,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def start(self) -> Server:
        """Start it and wait until it answers."""
        assert self._process is None
        argv = [str(find_redis_server().path), str(self._config), *(["--sentinel"] if self._sentinel else [])]
        self._process = subprocess.Popen(
            argv,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        until(self.answers, f"the server on port {self.port} answers")
        return self

    def answers(self) -> bool:
        assert self._process is None or self._process.poll() is None, (self.directory / "redis.log").read_text()
        try:
            with self.client() as client:
                # another server might have the port; ours is about to end then
                return self._process is not None and client.info("server")["process_id"] == self._process.pid
        except RedisError:
            return False

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: it writes nothing any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; does nothing if it does not run."""
        if self._process is not None:
            self.thaw()
            self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        assert process is not None
        self._send(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, number)


class Replicated:
    """A primary, a replica of it, and Sentinels that watch both."""

    def __init__(self, directory: Path, sentinels: int = 3) -> None:
        self.primary = Server(directory / "primary", "appendonly yes", "repl-diskless-sync-delay 0")
        self.replica = Server(
            directory / "replica",
            "appendonly yes",
            "repl-diskless-sync-delay 0",
            f"replicaof {LOOPBACK} {self.primary.port}",
        )
        quorum = sentinels // 2 + 1
        self.sentinels = [
            Server(
                directory / f"sentinel{number}",
                f"sentinel monitor {SERVICE} {LOOPBACK} {self.primary.port} {quorum}",
                f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER_MS}",
                f"sentinel failover-timeout {SERVICE} 5000",
                sentinel=True,
            )
            for number in range(sentinels)
        ]

    @property
    def url(self) -> str:
        """The address for ``JOBQUEUE_REDIS_URL``."""
        return f"sentinel://{','.join(f'{LOOPBACK}:{one.port}' for one in self.sentinels)}/{SERVICE}"

    def start(self) -> Replicated:
        """Start all, and wait until the replica follows and every Sentinel knows the others and the replica."""
        for server in (self.primary, self.replica, *self.sentinels):
            server.start()
        until(self._is_whole, "replica and Sentinels know each other", 60)
        return self

    def stop(self) -> None:
        for server in self._all():
            server.stop()

    def is_in_step(self) -> bool:
        """Whether the replica has all that was written so far."""
        try:
            with self.primary.client() as client:
                client.set("so-far", "")  # a connection that has written nothing waits for nothing
                return client.wait(1, 1000) == 1
        except RedisTimeoutError:  # the machine is busy
            return False

    def _all(self) -> Sequence[Server]:
        return (*self.sentinels, self.replica, self.primary)

    def _is_whole(self) -> bool:
        try:
            with self.replica.client() as client:
                if client.info("replication").get("master_link_status") != "up":
                    return False
            for sentinel in self.sentinels:
                with sentinel.client() as client:
                    state = client.sentinel_master(SERVICE)
                    if state["num-slaves"] != 1 or state["num-other-sentinels"] != len(self.sentinels) - 1:
                        return False
        except RedisTimeoutError:  # the machine is busy
            return False
        return True
