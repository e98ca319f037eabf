"""Refusals of servers, as each supported one words them.

``server_errors.json`` holds the error lines that real servers sent: server -> meaning -> lines. The servers of this
machine are asked, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError, ResponseError

from jobqueue.errors import JobQueueError, LedgerRefuses, LedgerUnavailable, RecordAltered
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.server_error import is_denied_loading
from tests.ledger.redis_server import RedisServer
from tests.ledger.servers import every_server

RECORDED: dict[str, dict[str, list[str]]] = json.loads((Path(__file__).parent / "server_errors.json").read_text())
LINES = [
    pytest.param(meaning, line, id=f"{server}-{meaning}-{number}".replace(" ", "_"))
    for server, meanings in RECORDED.items()
    for meaning, lines in meanings.items()
    for number, line in enumerate(lines)
]
SERVERS = every_server()


def parsed(line: str) -> RedisError:
    """The exception that redis-py makes of an error line."""
    from redis._parsers.base import BaseParser

    error: RedisError = BaseParser.parse_error(line)
    return error


def check(meaning: str, error: RedisError) -> None:
    """``translated_errors`` gives ``error`` the class and the words of its meaning."""
    expected: dict[str, tuple[type[Exception], str]] = {
        "denied": (LedgerUnavailable, "Redis refuses the user of.*jobqueue redis acl"),
        "denied loading": (LedgerUnavailable, "Redis refuses the user of"),
        "wrong type": (RecordAltered, "another type of value"),
        "no writes": (LedgerRefuses, "takes no (writes|commands)"),
        "bug": (ResponseError, ".*"),
    }
    kind, words = expected[meaning]
    with pytest.raises(kind, match=words), translated_errors():
        raise error


@pytest.mark.parametrize(("meaning", "line"), LINES)
def test_a_recorded_refusal(meaning: str, line: str) -> None:
    check(meaning, parsed(line))


@pytest.mark.parametrize(("meaning", "line"), LINES)
def test_a_recorded_refusal_in_a_pipeline(meaning: str, line: str) -> None:
    """redis-py writes the command in front, in which users' text may look like a refusal of any kind."""
    error = parsed(line)
    command = ("EVALSHA", "x", 0, "OOM WRONGTYPE ACL failure in script: (a) ")
    redis.Redis().pipeline().annotate_exception(error, 1, command)
    check(meaning, error)


@pytest.mark.parametrize("server", RECORDED)
def test_a_script_that_may_not_be_loaded(server: str) -> None:
    (line,) = RECORDED[server]["denied loading"]
    error = parsed(line)
    assert isinstance(error, redis.exceptions.NoPermissionError)
    assert is_denied_loading(error)


def test_every_supported_family_is_recorded() -> None:
    families = {server.rpartition(".")[0].partition(".")[0] for server in RECORDED}
    assert families >= {"Redis 6", "Redis 7", "Redis 8", "Valkey 7", "Valkey 8", "Valkey 9"}


@pytest.fixture(params=SERVERS, ids=[server.name for server in SERVERS])
def limited(request: pytest.FixtureRequest, short_path: Path) -> Iterator[redis.Redis]:
    """A user of a real server who may run scripts, but touch no key of the ledger."""
    server = RedisServer(request.param.path, short_path)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as admin:
            Scripts(admin, Keys("jobqueue:")).load()
            admin.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "resetkeys", "~own:*", "+@all", "-eval")
        with redis.Redis.from_url(server.url, username="limited", password="secret", decode_responses=True) as client:
            yield client
    finally:
        server.kill()


@pytest.mark.realredis
def test_a_real_server_refuses_what_a_script_does(limited: redis.Redis) -> None:
    scripts = Scripts(limited, Keys("jobqueue:"))
    with pytest.raises(LedgerUnavailable, match="refuses the user of"):
        scripts.call("read_job", "some-job")
    with pytest.raises(LedgerUnavailable, match="refuses the user of"):
        scripts.call_many("read_job", [("some-job",)])
    scripts.close()


@pytest.mark.realredis
def test_a_real_server_refuses_to_load_a_script(limited: redis.Redis) -> None:
    limited.script_flush()
    scripts = Scripts(limited, Keys("jobqueue:"))
    with pytest.raises(JobQueueError, match="script 'read_job' is not loaded in Redis, and this user may not load it"):
        scripts.call("read_job", "some-job")
    scripts.close()


@pytest.mark.realredis
def test_a_batch_reports_missing_replicas(short_path: Path) -> None:
    """Several calls go in one pipeline, and redis-py rewords what one of them is refused with."""
    for server in SERVERS:
        directory = short_path / server.name
        directory.mkdir()
        running = RedisServer(server.path, directory)
        running.start()
        try:
            with redis.Redis.from_url(running.url, decode_responses=True) as client:
                client.config_set("min-replicas-to-write", 1)
                scripts = Scripts(client, Keys("jobqueue:"))
                with pytest.raises(LedgerUnavailable, match="takes no writes"):
                    scripts.call_many("acquire_leadership", [("copy1", 1000)])
                scripts.close()
        finally:
            running.kill()
