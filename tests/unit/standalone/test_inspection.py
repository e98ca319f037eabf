"""``jobqueue check``: what it finds in a Redis."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner

from jobqueue.cli.main import main
from jobqueue.ledger.keys import Keys
from jobqueue.settings import Settings
from jobqueue.standalone.inspection import CheckResult, inspect, judge
from jobqueue.standalone.ports import free_port
from jobqueue.standalone.redis import EmbeddedRedis

GOOD = {
    "redis_version": "7.2.4",
    "redis_mode": "standalone",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}


def verdicts(**changes: Any) -> list[tuple[CheckResult, str]]:
    return [(x.verdict, x.text) for x in judge("Redis", {**GOOD, **changes}) if x.verdict is not CheckResult.OK]


def test_a_good_one() -> None:
    assert verdicts() == []
    assert verdicts(redis_version="6.2.14") == []
    assert verdicts(redis_version="10.0.0") == []


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({"redis_version": "6.0.16"}, CheckResult.ERROR, "6.2 or newer is needed"),
        ({"redis_version": ""}, CheckResult.ERROR, "of unknown version"),
        ({"maxmemory_policy": "allkeys-lru"}, CheckResult.ERROR, "CONFIG SET maxmemory-policy noeviction"),
        ({"redis_mode": "cluster"}, CheckResult.ERROR, "Cluster"),
        ({"role": "slave"}, CheckResult.ERROR, "replica"),
        ({"aof_enabled": 0}, CheckResult.WARNING, "appendonly yes"),
    ],
)
def test_what_is_wrong_is_said_with_the_remedy(changes: dict[str, Any], verdict: CheckResult, says: str) -> None:
    [(found, text)] = verdicts(**changes)
    assert found is verdict
    assert says in text


def test_valkey_reports_its_own_version() -> None:
    assert "Redis runs Valkey 8.0.1." in [x.text for x in judge("Redis", {**GOOD, "valkey_version": "8.0.1"})]


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    directory = Path(tempfile.mkdtemp())
    with EmbeddedRedis(directory / "redis").running() as server:
        yield server
    shutil.rmtree(directory)


@pytest.mark.realredis
def test_check_reaches_redis(server: EmbeddedRedis, tmp_path: Path) -> None:
    environ = {"JOBQUEUE_REDIS_URL": server.url, "JOBQUEUE_STATE_DIR": str(tmp_path)}
    result = CliRunner().invoke(main, ["check"], env=environ)
    assert result.exit_code == 0, result.output
    assert {line.split()[0] for line in result.output.splitlines()} == {"ok"}
    with redis.Redis.from_url(server.url) as client:
        client.hset(Keys(Settings.from_env(environ).key_prefix).kind("pauses"), "0badcafe", "everything||0|{}")
    result = CliRunner().invoke(main, ["check"], env=environ)
    assert "warning Jobs wait: 1 pause(s) are in force" in result.output
    assert result.exit_code == 0
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory-policy", "volatile-lru")
    result = CliRunner().invoke(main, ["check"], env=environ)
    assert result.exit_code == 2
    assert "error   Redis has maxmemory-policy volatile-lru" in result.output


@pytest.mark.realredis
def test_a_broker_of_its_own_is_looked_at_too(server: EmbeddedRedis) -> None:
    other = f"redis://:s3cret@127.0.0.1:{free_port()}/0"
    settings = Settings.from_env({"HOME": "/"}, redis_url=server.url, broker_url=other)
    errors = [x.text for x in inspect(settings) if x.verdict is CheckResult.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("The broker's Redis at redis://:***@127.0.0.1:")
    settings = Settings.from_env({"HOME": "/"}, redis_url=server.url, broker_url="amqp://u:s3cret@b//")
    assert [x.text for x in inspect(settings) if x.verdict is CheckResult.WARNING] == [
        "The broker amqp://u:***@b// is not a Redis; it was not checked."
    ]


@pytest.mark.parametrize(
    "scheme", ["redis://127.0.0.1:{port}", "sentinel://127.0.0.1:{port}/main", "unix:///nowhere/{port}"]
)
def test_a_redis_that_is_away_is_one_error(scheme: str) -> None:
    result = CliRunner().invoke(main, ["check"], env={"JOBQUEUE_REDIS_URL": scheme.format(port=free_port())})
    assert result.exit_code == 2
    assert "cannot be used" in result.output
    assert "Traceback" not in result.output


def test_few_connections_are_a_warning_with_what_to_do() -> None:
    [(verdict, text)] = verdicts(connected_clients=3, maxclients=64)
    assert verdict is CheckResult.WARNING
    assert "takes 64 connections (maxclients)" in text
    assert "raise maxclients" in text
    assert verdicts(connected_clients=3, maxclients=10_000) == []
