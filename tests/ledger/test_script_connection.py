"""The short way to Redis: whole answers only, and connections that broke are replaced."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import pytest
import redis
from gevent import socket as gevent_socket
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger import script_connection
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.script_connection import ScriptConnection
from tests.acceptance.support.until import until
from tests.ledger.world import World


class Interrupted(BaseException):
    """As when a greenlet is killed in the middle of a call."""


def name_of(client: redis.Redis) -> str:
    return str(client.connection_pool.connection_kwargs["client_name"])


def connections(world: World, client: redis.Redis) -> list[str]:
    """Ids of the connections that this client has opened, and no other test's."""
    return [found["id"] for found in world.client.client_list() if found["name"] == name_of(client)]


def has_at_least(found: list[object], count: int) -> bool:
    return len(found) >= count


def at_once(call: ScriptConnection, number: int, world: World, client: redis.Redis) -> None:
    """Calls that all wait at the same time, each on a connection of its own."""

    def waiting() -> int:
        found = world.client.client_list()
        return sum(one["name"] == name_of(client) and one["cmd"] == "blpop" for one in found)

    threads = [threading.Thread(target=call, args=("BLPOP", "nothing", 50)) for _ in range(number)]
    for thread in threads:
        thread.start()
    until(lambda: waiting() == number, "all of them wait")
    world.client.rpush("nothing", *range(number))
    for thread in threads:
        thread.join(60)


@pytest.fixture
def client(real_world: World) -> Iterator[redis.Redis]:
    options = {**real_world.client.connection_pool.connection_kwargs, "client_name": f"caller-{uuid.uuid4().hex}"}
    options["retry"] = Retry(NoBackoff(), 2, supported_errors=(RedisConnectionError,))
    pool = redis.ConnectionPool(connection_class=real_world.client.connection_pool.connection_class, **options)
    yield redis.Redis(connection_pool=pool)
    pool.disconnect()


def test_one_connection_serves_calls_that_do_not_overlap(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client)
    assert [call("ECHO", str(number)) for number in range(100)] == [str(number) for number in range(100)]
    assert len(connections(real_world, client)) == 1
    call.close()
    assert call("PING") in (True, "PONG")


def test_an_error_is_an_answer_and_the_connection_serves_on(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client)
    with pytest.raises(ResponseError):
        call("EVAL", "return redis.error_reply('no')", 0)
    assert call("ECHO", "still in step") == "still in step"
    assert len(connections(real_world, client)) == 1


def test_connections_that_died_meanwhile_are_replaced_unnoticed(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client)
    at_once(call, 5, real_world, client)
    idle = connections(real_world, client)
    assert len(idle) == 5  # more than it would try again
    for found in idle:
        real_world.client.client_kill_filter(_id=found)
    assert call("ECHO", "back") == "back"


def test_what_a_broken_off_call_left_is_never_taken_for_an_answer(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ScriptConnection(client)
    call("PING")

    def interrupt(*_: object, **__: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(client.connection_pool.connection_class, "read_response", interrupt)
        with pytest.raises(Interrupted):
            call("ECHO", "late answer")
    assert call("ECHO", "own answer") == "own answer"


def test_no_server_listens(tmp_path: object) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        call = ScriptConnection(redis.Redis(port=taken.getsockname()[1], retry=Retry(NoBackoff(), 1)))
        with pytest.raises(RedisConnectionError):
            call("PING")


def test_a_fresh_connection_is_opened_the_way_its_class_does_it(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a Sentinel only ``connect`` asks for the master; sending would go to the default address."""
    opened: list[object] = []
    kind = client.connection_pool.connection_class
    connect = kind.connect
    monkeypatch.setattr(kind, "connect", lambda self: (opened.append(self), connect(self))[1])
    call = ScriptConnection(client)
    call("PING")
    call("PING")
    assert len(opened) == 1


def test_a_burst_does_not_keep_its_connections(
    client: redis.Redis, real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.ledger.script_connection._MOST_IDLE", 2)
    call = ScriptConnection(client)
    at_once(call, 6, real_world, client)
    assert len(call._idle) == 2


class Unencrypted(gevent_socket.socket):
    """As gevent's socket with TLS: the socket inside of it does not encrypt."""


@pytest.mark.parametrize(
    ("kind", "is_sent"), [(gevent_socket.socket, True), (Unencrypted, False), (socket.socket, False)]
)
def test_under_gevent_commands_are_sent_at_once(
    kind: type[socket.socket], is_sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    with kind(fileno=ours.detach()) as ours, theirs:
        if kind is not socket.socket:  # as in a process that gevent has patched
            monkeypatch.setattr("jobqueue.ledger.script_connection.socket.socket", gevent_socket.socket)
        rest = script_connection._send_at_once(SimpleNamespace(_sock=ours), b"command")
        assert rest == (b"" if is_sent else b"command")
        assert not is_sent or theirs.recv(100) == b"command"


def test_what_the_system_does_not_take_at_once_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.ledger.script_connection.socket.socket", gevent_socket.socket)
    ours, theirs = gevent_socket.socketpair()
    data = bytes(range(256)) * 40_000
    with ours, theirs:
        rest = script_connection._send_at_once(SimpleNamespace(_sock=ours), data)
        assert 0 < len(rest) < len(data)
        assert data.endswith(rest)
        assert script_connection._send_at_once(SimpleNamespace(_sock=ours), rest) == rest, "it is full"
    assert script_connection._send_at_once(SimpleNamespace(_sock=ours), b"a") == b"a", "it is closed"


def test_an_answer_in_bytes(client: redis.Redis) -> None:
    call = ScriptConnection(client)
    data = bytes(range(256))
    assert call("ECHO", data, binary=True) == data
    assert call("ECHO", "text") == "text"
    call.close()


def test_more_calls_than_connections_wait_for_their_turn(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client, most=2)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(call("BLPOP", "nothing", 50))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(6):
        until(lambda: len(connections(real_world, client)) == 2, "two of them wait at the server")
        real_world.client.rpush("nothing", number)
        until(partial(has_at_least, found, number + 1), "one has its answer")
    for thread in threads:
        thread.join(60)
    assert len(connections(real_world, client)) == 2


def test_a_connection_that_is_not_needed_any_more_is_closed(
    client: redis.Redis, real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ScriptConnection(client)
    at_once(call, 3, real_world, client)
    assert len(connections(real_world, client)) == 3
    monkeypatch.setattr("jobqueue.ledger.script_connection._IDLE_SECONDS", -1.0)
    for _ in range(5):
        call("PING")
    until(lambda: len(connections(real_world, client)) <= 1, "the others are closed")


def test_a_server_without_a_free_connection_costs_none_of_those_that_are_open(
    client: redis.Redis, real_world: World
) -> None:
    admin = real_world.client
    before = admin.config_get("maxclients")["maxclients"]
    call = ScriptConnection(client, most=2)
    call("PING")
    waiting = threading.Thread(target=call, args=("BLPOP", "nothing", 50))
    waiting.start()
    until(lambda: any(one["cmd"] == "blpop" for one in admin.client_list()), "the open one is in use")
    admin.config_set("maxclients", len(admin.client_list()))
    try:
        with pytest.raises(LedgerUnavailable, match=r"accepts no further connections.*maxclients"), translated_errors():
            call("PING")
        admin.rpush("nothing", 1)
        waiting.join(60)
        assert call("PING") in (True, "PONG")
        assert len(connections(real_world, client)) == 1
    finally:
        admin.config_set("maxclients", before)


def test_commands_that_are_sent_together_are_answered_in_order(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client)
    failing = ("EVAL", "return redis.error_reply('no')", 0)
    first, error, *others = call.together([("ECHO", "a"), failing, ("ECHO", "b"), ("ECHO", "c" * 1_000_000)])
    assert (first, others) == ("a", ["b", "c" * 1_000_000])
    assert isinstance(error, ResponseError)
    assert call("ECHO", "still in step") == "still in step"
    assert len(connections(real_world, client)) == 1


def test_a_refusing_server_refuses_all_that_was_sent_together(client: redis.Redis, real_world: World) -> None:
    call = ScriptConnection(client)
    refusing = ("EVAL", "return redis.error_reply('OOM command not allowed')", 0)
    with pytest.raises(ResponseError, match="command not allowed"):
        call.together([("ECHO", "a"), refusing, ("ECHO", "b")])
    assert call("ECHO", "still in step") == "still in step"
