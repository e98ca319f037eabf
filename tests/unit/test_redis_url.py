"""Addresses of Redis, and how Celery's library reads the ones we give it."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection
from redis.connection import parse_url

from jobqueue.errors import InvalidSettings
from jobqueue.redis_url import RedisUrl, mask_password
from jobqueue.settings import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", {"hosts": (("h", 6379),)}),
        ("redis://h:7/3", {"hosts": (("h", 7),), "db": 3}),
        ("redis://[::1]:7/", {"hosts": (("::1", 7),)}),
        ("redis://h?db=4", {"hosts": (("h", 6379),), "db": 4}),
        ("rediss://u:p%40@h/1", {"hosts": (("h", 6379),), "db": 1, "username": "u", "password": "p@"}),
        ("redis://:p@h", {"hosts": (("h", 6379),), "password": "p"}),
        ("unix:///run/a.sock", {"path": "/run/a.sock"}),
        ("unix://u:p@/run/a%20b.sock?db=2", {"path": "/run/a b.sock", "db": 2, "username": "u", "password": "p"}),
        ("sentinel://a,b:5/main", {"hosts": (("a", 26379), ("b", 5)), "service": "main"}),
        ("sentinel://:p@a/main/2", {"hosts": (("a", 26379),), "service": "main", "db": 2, "password": "p"}),
    ],
)
def test_what_an_address_says(text: str, expected: dict[str, Any]) -> None:
    url = RedisUrl.parse(text)
    defaults = {"hosts": (), "path": "", "db": 0, "username": None, "password": None, "service": ""}
    assert {name: getattr(url, name) for name in defaults} == {**defaults, **expected}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:6379",
        "http://h",
        "redis://",
        "redis://:x",
        "redis://h:port",
        "redis://h:0",
        "redis://h:70000",
        "redis://h/one",
        "redis://h/-1",
        "redis://h /0",
        "unix://run/a.sock",
        "unix://",
        "sentinel://a:1",
        "sentinel://a:1/",
        "sentinel://a,,b/main",
        "sentinel://a/main/x",
    ],
)
def test_invalid_addresses(text: str) -> None:
    with pytest.raises(InvalidSettings, match=r"redis://|blanks"):
        RedisUrl.parse(text)


@pytest.mark.parametrize(
    "text", ["redis://u:pw@h:7/3", "rediss://:pw@h/1", "unix://u:pw@/run/a%20b.sock?db=2", "redis://h"]
)
def test_redis_py_reads_the_same(text: str) -> None:
    ours, theirs = RedisUrl.parse(text), parse_url(text)
    assert theirs.get("db", 0) == ours.db
    assert theirs.get("password") == ours.password
    assert theirs.get("username") == ours.username
    assert theirs.get("path", "") == ours.path
    if ours.hosts:
        assert (theirs.get("host"), theirs.get("port", 6379)) == ours.hosts[0]


def test_kombu_gets_the_same_socket() -> None:
    broker, options = RedisUrl.parse("unix://u:p%40@/run/a%20b.sock?db=2").broker()
    assert options == {}
    assert Connection(broker).transport_cls == "redis"
    assert broker == "redis+socket://u:p%40@/run/a%20b.sock?virtual_host=2"


def test_kombu_gets_the_same_sentinels() -> None:
    broker, options = RedisUrl.parse("sentinel://:pw@a:1,[::1]:2/main/3").broker()
    assert broker == "sentinel://:pw@a:1/3;sentinel://:pw@[::1]:2/3"
    assert options == {"master_name": "main"}
    assert Connection(broker).transport_cls == "sentinel"
    _, options = RedisUrl.parse("sentinel://a/main?sentinel_password=p%26").broker()
    assert options == {"master_name": "main", "sentinel_kwargs": {"password": "p&"}}


def test_settings_give_celery_other_brokers_as_they_are() -> None:
    settings = Settings.from_env({"HOME": "/", "JOBQUEUE_BROKER_URL": "amqp://u:p@h/v"})
    assert settings.broker() == ("amqp://u:p@h/v", {})


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://u:p@h/0", "redis://u:***@h/0"),
        ("redis://:p@h", "redis://:***@h"),
        ("redis://h", "redis://h"),
        ("unix://u:p@/s", "unix://u:***@/s"),
        ("sentinel://:p@a,b/m", "sentinel://:***@a,b/m"),
        ("redis://u:p:q@h", "redis://u:***@h"),
        ("sentinel://a/m?sentinel_password=p&x=1", "sentinel://a/m?sentinel_password=***&x=1"),
    ],
)
def test_passwords_are_masked(text: str, masked: str) -> None:
    assert mask_password(text) == masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h:7/3", "redis://u:p%40%2F@h:7/3"),
        ("redis://a:b@h", "redis://u:p%40%2F@h"),
        ("unix://:b@/run/r.sock?db=2", "unix://u:p%40%2F@/run/r.sock?db=2"),
        ("rediss://a@[::1]:7?ssl_cert_reqs=none", "rediss://u:p%40%2F@[::1]:7?ssl_cert_reqs=none"),
    ],
)
def test_other_credentials(text: str, expected: str) -> None:
    assert RedisUrl.parse(text).with_login("u", "p@/") == expected
    assert "@" not in RedisUrl.parse(text).with_login("", "")
