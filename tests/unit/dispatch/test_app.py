"""How agents and senders reach the broker: never waiting without a limit, and soon back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from jobqueue.dispatch.app import CHECK_SECONDS, make_app
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.settings import Settings
from jobqueue.standalone.ports import free_port

#: A deaf agent must be back within this many seconds.
MOST_SECONDS = 20


def options(url: str) -> dict[str, Any]:
    app = make_app(Settings.from_env({"HOME": "/", "JOBQUEUE_REDIS_URL": url}))
    found: dict[str, Any] = app.conf.broker_transport_options
    return found


@pytest.mark.parametrize("url", ["redis://h/0", "unix:///run/redis.sock", "sentinel://a,b/jobs"])
def test_nothing_waits_for_redis_without_a_limit(url: str) -> None:
    found = options(url)
    assert 0 < found["socket_timeout"] < 5
    assert 0 < found["socket_connect_timeout"] < 5


def test_kombu_finds_a_silent_connection_in_time() -> None:
    # its own words: brpop_timeout + 2 * health_check_interval at most, and then the new connection
    assert options("redis://h/0")["health_check_interval"] == CHECK_SECONDS
    with make_app(Settings.from_env({"HOME": "/", "JOBQUEUE_REDIS_URL": "redis://h/0"})).connection_for_read() as found:
        assert found.transport.brpop_timeout + 2 * CHECK_SECONDS + 2 < MOST_SECONDS


def test_sentinels_have_limits_and_their_own_password() -> None:
    found = options("sentinel://:p@a,b/jobs?sentinel_password=s")
    assert found["master_name"] == "jobs"
    sentinel = found["sentinel_kwargs"]
    assert sentinel["password"] == "s"
    assert 0 < sentinel["socket_timeout"] < 5
    assert sentinel["retry"].get_retries() == 0


def test_remote_control_can_tell_of_a_connection_without_its_secrets() -> None:
    url = "sentinel://me:first@a,b/jobs?sentinel_password=second"
    app = make_app(Settings.from_env({"HOME": "/", "JOBQUEUE_REDIS_URL": url}))
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, MESSAGE_FILTER: object()}
    told = app.connection_for_read().info()
    told.pop("password")  # as Celery does it
    assert {"transport", "hostname", "userid"} <= told.keys()
    text = json.dumps(told)
    assert "first" not in text
    assert "second" not in text


def test_amqp_notices_silence_by_heartbeats_and_confirmations() -> None:
    settings = Settings.from_env({"HOME": "/", "JOBQUEUE_BROKER_URL": "amqp://u:p@h/v"})
    app = make_app(settings)
    assert app.conf.broker_transport_options == {"confirm_publish": True}
    assert 0 < app.conf.broker_heartbeat <= MOST_SECONDS


def test_pauses_between_attempts_stay_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    app = make_app(Settings.from_env({"HOME": "/", "JOBQUEUE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}))
    with app.connection_for_read() as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda _, pause: pauses.append(pause), max_retries=6)
    assert len(pauses) == 6
    assert 0.5 <= pauses[0] <= 1.0
    assert all(1.0 <= pause <= 3.0 for pause in pauses[1:])


def test_agents_do_not_try_at_the_same_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    first: set[float] = set()
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    app = make_app(Settings.from_env({"HOME": "/", "JOBQUEUE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}))
    for _ in range(20):
        with app.connection_for_read() as connection, pytest.raises(OperationalError):
            connection.ensure_connection(lambda _, pause: first.add(pause), max_retries=1)
    assert len(first) > 10
