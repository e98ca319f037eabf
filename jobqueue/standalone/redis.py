"""An embedded Redis: private to this machine, on a unix socket, with its data in the state directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import redis as redis_py
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.retry import Retry

from jobqueue.errors import JobQueueError
from jobqueue.standalone.binary import LAST_COMMON, LAST_COMMON_SNAPSHOT, RedisBinary, Writer, find_redis_server
from jobqueue.standalone.ports import LOOPBACK, free_port, url_host

#: Longest path of a unix socket that every system takes (Linux 107 bytes, macOS 103).
SOCKET_PATH_BYTES = 103
START_SECONDS = 30.0
STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.02
_LONGEST_LOOK_SECONDS = 0.25
_NAMES = ("redis", "valkey")
#: From this version on, users have the rules that agents need (selectors).
ACL_VERSION = (7, 0)
_DEFAULT = "user default "


class EmbeddedRedis:
    """Prepares, watches and stops one Redis server whose files are all in ``directory``.

    ``persistent``: jobs outlive a restart (append-only file, written to disk every second).
    ``search_path`` stands in for ``$PATH`` when the server is looked for. ``listen``: an address and port of this
    machine on which agents of other hosts reach it, each with a user of its own; nothing is open without a password.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistent: bool = True,
        search_path: str | None = None,
        listen: tuple[str, int] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.persistent = persistent
        self._search_path = search_path
        self._listen = listen
        self._config = self.directory / "redis.conf"
        self._socket = self.directory / "redis.sock"
        self._pid_file = self.directory / "redis.pid"
        self._users = self.directory / "users.acl"
        self._written_by = self.directory / "written-by"
        self._binary: RedisBinary | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Its address, with the password if it needs one; known after ``prepare()``."""
        if self._url is None:
            raise JobQueueError("The embedded Redis was not prepared.")
        return self._url

    @property
    def binary(self) -> RedisBinary:
        """The server that is used; known after ``prepare()``."""
        if self._binary is None:
            raise JobQueueError("The embedded Redis was not prepared.")
        return self._binary

    @property
    def argv(self) -> list[str]:
        """The command that runs it in the foreground."""
        return [str(self.binary.path), str(self._config)]

    @property
    def environ(self) -> dict[str, str]:
        """Its environment: the C locale, because Redis refuses to start under one that this machine does not have."""
        return {**{name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}, "LC_ALL": "C"}

    def prepare(self) -> None:
        """Choose a server, stop an orphaned one, write the configuration.

        The caller holds the state directory's lock, so that no other process uses it. Raises ``JobQueueError``.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        self._stop_orphan()
        self._socket.unlink(missing_ok=True)
        self._pid_file.unlink(missing_ok=True)
        self._binary = self._choose_binary()
        address = self._address() if self._listen is None else self._network_address(*self._listen)
        lines = [
            *address,
            f"dir {_quoted(self.directory)}",
            f"pidfile {_quoted(self._pid_file)}",
            "daemonize no",
            'logfile ""',
            "loglevel warning",
            'save ""',
            f"appendonly {'yes' if self.persistent else 'no'}",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
        ]
        self._config.unlink(missing_ok=True)
        with os.fdopen(os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")
        if self.persistent:
            self._written_by.write_text(f"{self._binary}\n")

    def wait_ready(self, pause: Callable[[float], None] = time.sleep, timeout: float = START_SECONDS) -> None:
        """Return when it responds; ``pause`` waits between two attempts and may raise to give up.

        Raises ``JobQueueError`` after ``timeout`` seconds without a response; time for loading data does not count.
        """
        deadline = time.monotonic() + timeout
        look = _LOOK_SECONDS
        with self._client() as client:
            while True:
                try:
                    client.ping()
                except BusyLoadingError:
                    deadline = time.monotonic() + timeout
                except RedisError as error:
                    if time.monotonic() > deadline:
                        raise JobQueueError(
                            f"The embedded Redis did not answer within {timeout:g}s: {error}"
                        ) from error
                else:
                    return
                pause(look)
                look = min(look * 2, _LONGEST_LOOK_SECONDS)

    def shutdown(self) -> None:
        """Ask the server to save its data and end; raises ``JobQueueError`` if it cannot be reached."""
        try:
            with self._client() as client:
                client.shutdown()
        except RedisError as error:
            raise JobQueueError(f"The embedded Redis refuses SHUTDOWN: {error}.") from error

    @contextlib.contextmanager
    def running(self) -> Iterator[EmbeddedRedis]:
        """Run it without a supervisor, for the time of a ``with`` block."""
        self.prepare()
        with subprocess.Popen(
            self.argv, env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:

            def pause(seconds: float) -> None:
                try:
                    output, _ = process.communicate(timeout=seconds)
                except subprocess.TimeoutExpired:
                    return
                *_, reason = output.decode(errors="replace").strip().splitlines() or ["it printed nothing"]
                raise JobQueueError(f"The embedded Redis did not start: {reason}")

            try:
                self.wait_ready(pause)
                yield self
            finally:
                self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(JobQueueError):  # then by signals
            self.shutdown()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _client(self) -> redis_py.Redis:
        client: redis_py.Redis = redis_py.Redis.from_url(
            self.url, socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        return client

    def _choose_binary(self) -> RedisBinary:
        """A server that can read the existing data: an older one may not support a newer one's files."""
        wrote = self._writer()
        try:
            return find_redis_server(wrote, search_path=self._search_path)
        except JobQueueError as error:
            if wrote is None:
                raise
            raise JobQueueError(
                f"The data in {self.directory} was written by {wrote}. {error} "
                f"Or remove {self.directory} to start without those jobs."
            ) from error

    def _writer(self) -> Writer | None:
        """The server that wrote the existing data."""
        try:
            text = self._written_by.read_text()
        except FileNotFoundError:
            return None
        writer = Writer.parse(text)
        if writer is None or text.startswith(writer.product) or writer.version < (8, 0):
            return writer
        # Earlier versions of jobqueue did not record the product. The snapshot shows the format that it needs.
        snapshot = self._snapshot()
        if snapshot.startswith(b"VALKEY"):
            return Writer("Valkey", writer.version)
        return Writer("Redis", LAST_COMMON) if snapshot <= LAST_COMMON_SNAPSHOT else writer

    def _snapshot(self) -> bytes:
        """The header of the newest snapshot, such as ``REDIS0012``; empty without a snapshot."""
        files = sorted((self.directory / "appendonlydir").glob("*.base.rdb"), key=lambda file: file.stat().st_mtime)
        if not files:
            return b""
        with files[-1].open("rb") as file:
            return file.read(len(LAST_COMMON_SNAPSHOT))

    def _address(self) -> list[str]:
        """Set the address, and return its configuration lines."""
        if len(os.fsencode(self._socket)) <= SOCKET_PATH_BYTES:
            self._url = f"unix://{quote(str(self._socket))}?db=0"
            return ["port 0", f"unixsocket {_quoted(self._socket)}", "unixsocketperm 600"]
        port = free_port()
        password = secrets.token_urlsafe(32)
        self._url = f"redis://:{password}@{LOOPBACK}:{port}/0"
        return [f"port {port}", f"bind {LOOPBACK}", f"requirepass {password}"]

    def _network_address(self, host: str, port: int) -> list[str]:
        """The same, where agents of other hosts connect as well: every user has a password."""
        if self.binary.version[:2] < ACL_VERSION:
            raise JobQueueError(
                f"{self.binary.path} is {self.binary}. Agents of other hosts need users of their own, which "
                f"{self.binary.product} has from version {'.'.join(map(str, ACL_VERSION))} on."
            )
        password = secrets.token_urlsafe(32)
        self._write_users(password)
        lines = [f"port {port}", f"bind {host}", "protected-mode yes", f"aclfile {_quoted(self._users)}"]
        if len(os.fsencode(self._socket)) <= SOCKET_PATH_BYTES:
            self._url = f"unix://:{password}@{quote(str(self._socket))}?db=0"
            return [*lines, f"unixsocket {_quoted(self._socket)}", "unixsocketperm 600"]
        self._url = f"redis://:{password}@{url_host(host)}:{port}/0"
        return lines

    def _write_users(self, password: str) -> None:
        """Give the default user, that of this machine's own parts, a new password; keep the agents' users."""
        try:
            users_written = self._users.read_text().splitlines()
        except FileNotFoundError:
            users_written = []
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines = [
            f"user default on #{digest} ~* &* +@all",
            *(line for line in users_written if not line.startswith(_DEFAULT)),
        ]
        self._users.unlink(missing_ok=True)
        with os.fdopen(os.open(self._users, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(lines) + "\n")

    def _stop_orphan(self) -> None:
        """End the server that a killed ``up`` left behind: the one under our pid file that works in our directory."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            is_ours = process.name().startswith(_NAMES) and Path(process.cwd()) == self.directory.resolve()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return
        if not is_ours:
            return  # the pid belongs to another process by now
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()  # Redis saves its data and ends
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)


def _quoted(path: Path) -> str:
    """A path as Redis reads it in its configuration."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
