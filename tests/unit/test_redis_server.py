"""What a Redis must be like before anything starts on it."""

from __future__ import annotations

from typing import Any, cast

import pytest
import redis
from redis.exceptions import NoPermissionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobqueue.errors import InvalidSettings, LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.redis_server import is_scarce, refusals, room
from jobqueue.settings import Settings

GOOD = {"redis_version": "7.0.15", "redis_mode": "standalone", "maxmemory": 0, "maxmemory_policy": "noeviction"}


class FakeClient:
    """A Redis that knows INFO only."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.connection_pool = redis.ConnectionPool()

    def info(self) -> dict[str, Any]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def a_ledger(answer: dict[str, Any] | Exception) -> Ledger:
    return Ledger(cast("redis.Redis", FakeClient(answer)), Settings.from_env({"HOME": "/"}))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"maxmemory": 1024},
        {"maxmemory_policy": "allkeys-lru"},  # without a limit nothing is dropped
        {"redis_version": "6.2.14"},
        {"redis_version": "7.2.4", "valkey_version": "8.0.1"},
        {"redis_mode": "sentinel"},
    ],
)
def test_what_will_do(changes: dict[str, Any]) -> None:
    assert refusals("Redis", {**GOOD, **changes}) == []
    a_ledger({**GOOD, **changes}).check()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"maxmemory": 1024, "maxmemory_policy": "volatile-lru"}, "maxmemory-policy volatile-lru: jobs would vanish"),
        ({"redis_version": "6.0.16"}, "runs Redis 6.0.16; 6.2 or newer is needed"),
        ({"redis_mode": "cluster"}, "use one with Sentinel"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidSettings, match=says):
        a_ledger({**GOOD, **changes}).check()


def test_all_that_is_wrong_is_said_at_once() -> None:
    info = {**GOOD, "redis_version": "5.0.0", "maxmemory": 1, "maxmemory_policy": "allkeys-lru"}
    assert len(refusals("Redis", info)) == 2


def test_a_redis_that_is_away_is_not_refused() -> None:
    with pytest.raises(LedgerUnavailable):
        a_ledger(RedisTimeoutError("Timeout reading from socket")).check()


def test_a_user_who_may_not_look_may_still_work(caplog: pytest.LogCaptureFixture) -> None:
    a_ledger(NoPermissionError("this user has no permissions to run the 'info' command")).check()
    assert "Redis was not checked" in caplog.text


@pytest.mark.parametrize(
    ("used", "most", "has_room", "agents"),
    [
        (1, 10_000, True, "about 3333 further agents fit"),
        (7_999, 10_000, True, "about 667 further agents fit"),
        (8_000, 10_000, False, "about 666 further agents fit"),
        (3, 64, False, "takes 64 connections (maxclients) and has 3; about 20 further agents fit"),
        (64, 64, False, "about 0 further agents fit"),
        (70, 64, False, "about 0 further agents fit"),  # it was lowered
    ],
)
def test_how_many_agents_fit(used: int, most: int, has_room: bool, agents: str) -> None:
    found, text = room("Redis", {"connected_clients": used, "maxclients": most})
    assert found is has_room
    assert agents in text
    assert ("raise maxclients" in text) is not has_room


def test_a_server_that_does_not_say_has_room() -> None:
    assert room("Redis", {}) == (True, "")
    assert not is_scarce({})
