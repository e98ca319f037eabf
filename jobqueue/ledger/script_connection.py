"""Fast Redis connections for the ledger's scripts.

redis-py's client checks a pooled connection's socket before each command, for data that an interrupted reader left
behind; under gevent, this check costs as much as the command. Here a connection returns to the pool only after a
complete answer and is closed otherwise, so the check is only made after a second without use.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import hiredis
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobqueue.ledger.connection import mark_sent
from jobqueue.ledger.turns import Turns
from jobqueue.redis_clients_limit import TOO_MANY_CLIENTS, set_up
from jobqueue.redis_refusal import refusal_of

#: Idle connections to keep; a burst may use more.
_MOST_IDLE = 64
#: Seconds for which an idle connection is used with no check but that for its end, which is cheap.
_TRUSTED_SECONDS = 1.0
#: Seconds for which a connection is used without any check: the server has just answered on it.
_FRESH_SECONDS = 0.002
#: In place of the age of a connection that was just made.
_UNUSED = math.inf
#: Seconds after which an idle connection is closed, if another one is in use.
_IDLE_SECONDS = 10.0


def _plain_socket(connection: Any) -> Any:
    """The socket inside of gevent's, which never waits; None without gevent, and before the connection is set up."""
    return getattr(getattr(connection, "_sock", None), "_sock", None)


def _send_at_once(connection: Any, packed: bytes) -> bytes:
    """Send what the system takes without a wait, most often all; returns the rest. Sends nothing without gevent, whose
    sockets would set a time limit first."""
    # exactly this class, which is gevent's then: the socket inside of one with TLS does not encrypt
    plain = _plain_socket(connection) if type(getattr(connection, "_sock", None)) is socket.socket else None
    if plain is not None:
        with suppress(OSError):  # the connection is full, or broken: redis-py waits, or words the error
            return packed[plain.send(packed) :]
    return packed


def _is_stale(connection: Any) -> bool:
    """Whether the server has closed the connection, or there is data that no command asked for."""
    try:
        return bool(connection.is_connected and connection.can_read(0))
    except (RedisError, OSError):
        return True


def _is_closed(connection: Any) -> bool:
    """Whether the server has closed the connection: a command on it would fail after it was sent, as if it could have
    run. Costs a microsecond. Only under gevent, in the API, whose callers must know; an agent repeats its calls."""
    plain = _plain_socket(connection)
    if plain is None:
        return False
    try:
        return bool(plain.recv(1, socket.MSG_PEEK) == b"")
    except BlockingIOError:
        return False
    except OSError:
        return True


def _read(connection: Any, binary: bool) -> Any:
    """One answer; an error that the server answers with is returned."""
    try:
        return connection.read_response(disable_decoding=binary)
    except ResponseError as error:
        return error


class ScriptConnection:
    """Sends commands over connections like those of a client's pool, with the client's retry policy.

    Safe to share between threads and greenlets. Raises redis-py's errors.
    """

    def __init__(self, client: redis.Redis, *, most: int | None = None) -> None:
        """``most``: connections at the same time; further calls wait for their turn. None: no limit."""
        self._client = client
        self._turns = Turns(most)
        #: (connection, time of its last answer), the longest idle first.
        self._idle: list[tuple[Any, float]] = []

    def __call__(self, *command: Any, binary: bool = False, urgent: bool = False) -> Any:
        """The answer to one command, which must be safe to repeat: if the answer is lost, the command is sent again.

        ``binary``: the answer is bytes, not text. ``urgent``: before all calls that wait for their turn.
        """
        (answer,) = self._answers([command], binary, urgent)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def together(self, commands: Sequence[tuple[Any, ...]], *, urgent: bool = False) -> list[Any]:
        """The answers to several commands, which are sent at once; an error of one of them is its answer.

        All of them must be safe to repeat. Raises the error of a server that refuses any of them for now.
        """
        return self._answers(commands, False, urgent)

    def _answers(self, commands: Sequence[tuple[Any, ...]], binary: bool, urgent: bool) -> list[Any]:
        retry = self._client.get_retry()
        sent: list[bool] = []
        try:
            if retry is None:
                return self._once(commands, sent, binary, urgent)
            return retry.call_with_retry(lambda: self._once(commands, sent, binary, urgent), lambda _: None)
        except (RedisConnectionError, RedisTimeoutError) as error:
            mark_sent(error, is_sent=bool(sent))
            raise

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                connection, _ = self._idle.pop()
                with suppress(RedisError):
                    connection.disconnect()

    def _once(self, commands: Sequence[tuple[Any, ...]], sent: list[bool], binary: bool, urgent: bool) -> list[Any]:
        with self._turns.take(urgent=urgent):
            age = _UNUSED
            try:
                connection, since = self._idle.pop()
                age = time.monotonic() - since
                if age > _FRESH_SECONDS and (
                    _is_closed(connection) if age <= _TRUSTED_SECONDS else _is_stale(connection)
                ):
                    connection.disconnect()
            except IndexError:
                pool = self._client.connection_pool
                connection = pool.connection_class(**pool.connection_kwargs)
            try:
                if not connection.is_connected:
                    set_up(connection)  # with Sentinel, only this looks up the master
                # redis-py's own packing looks at each argument first, which takes twice as long
                packed = b"".join(map(hiredis.pack_command, commands))
                sent.append(True)  # from here on, the server may receive it
                # redis-py may check a connection that was idle for longer, before it sends anything
                rest = packed if age > _TRUSTED_SECONDS else _send_at_once(connection, packed)
                if rest:
                    connection.send_packed_command([rest])
                answers = [_read(connection, binary) for _ in commands]
            except (RedisConnectionError, RedisTimeoutError) as error:
                connection.disconnect()
                if TOO_MANY_CLIENTS not in str(error):  # then, those that are open are worth keeping
                    self.close()  # the same fault has most likely broken all of them
                raise
            except BaseException:
                connection.disconnect()
                raise
            for answer in answers:
                refusal = refusal_of(answer) if isinstance(answer, ResponseError) else None
                if refusal is not None:
                    if refusal.is_elsewhere:
                        connection.disconnect()
                        self.close()  # idle connections lead to the same server
                    else:
                        self._keep(connection)
                    raise answer
            self._keep(connection)  # an error is a complete answer, too
            return answers

    def _keep(self, connection: Any) -> None:
        now = time.monotonic()
        if len(self._idle) < _MOST_IDLE:
            self._idle.append((connection, now))
        else:
            connection.disconnect()
        try:
            if now - self._idle[0][1] > _IDLE_SECONDS:
                idle_connection, _ = self._idle.pop(0)
                idle_connection.disconnect()
        except IndexError:  # another thread has taken it first
            pass
