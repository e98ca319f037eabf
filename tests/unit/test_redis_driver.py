"""A new connection to Redis costs no look into the metadata of packages."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest
from redis.connection import Connection

from jobqueue.dispatch.transport import _Patient
from jobqueue.ledger.connection import connect
from jobqueue.redis_driver import driver_options


@pytest.fixture
def _unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    driver_options()  # once

    def version(name: str) -> str:
        raise AssertionError(f"the metadata of {name} is read again")

    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.usefixtures("_unreadable")
@pytest.mark.parametrize("url", ["redis://h", "rediss://h", "unix:///run/redis.sock", "sentinel://h:26379/main"])
def test_of_the_ledger(url: str) -> None:
    pool = connect(url).connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)
    assert connection.driver_info.formatted_name == "redis-py"
    assert connection.driver_info.lib_version == metadata.distribution("redis").version


@pytest.mark.usefixtures("_unreadable")
def test_of_the_broker() -> None:
    class Kombu:
        def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
            return {"host": "h", "connection_class": Connection}

    class Channel(_Patient, Kombu):
        pass

    parameters = Channel()._connparams()
    connection = parameters.pop("connection_class")(**parameters)
    assert isinstance(connection, Connection)
    assert connection.driver_info.formatted_name == "redis-py"
