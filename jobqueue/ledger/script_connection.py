"""Fast Redis connections for the ledger's scripts.

redis-py's client checks a pooled connection's socket before each command, for data that an interrupted reader left
behind; under gevent, this check costs as much as the command. Here a connection returns to the pool only after a
complete answer and is closed otherwise, so the check is unnecessary.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobqueue.ledger.connection import mark_sent
from jobqueue.redis_refusal import refusal_of

#: Idle connections to keep; a burst may use more.
_MOST_IDLE = 64


class ScriptConnection:
    """Sends commands over connections like those of a client's pool, with the client's retry policy.

    Safe to share between threads and greenlets. Raises redis-py's errors. ``binary``: answers are bytes, not text.
    """

    def __init__(self, client: redis.Redis, *, binary: bool = False) -> None:
        self._client = client
        self._options = {"decode_responses": False} if binary else {}
        self._idle: list[Any] = []

    def __call__(self, *command: Any) -> Any:
        """The answer to one command, which must be safe to repeat: if the answer is lost, the command is sent again."""
        retry = self._client.get_retry()
        sent: list[bool] = []
        try:
            if retry is None:
                return self._once(command, sent)
            return retry.call_with_retry(lambda: self._once(command, sent), lambda _: None)
        except (RedisConnectionError, RedisTimeoutError) as error:
            mark_sent(error, is_sent=bool(sent))
            raise

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                with suppress(RedisError):
                    connection.disconnect()

    def _once(self, command: tuple[Any, ...], sent: list[bool]) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            pool = self._client.connection_pool
            connection = pool.connection_class(**{**pool.connection_kwargs, **self._options})
        try:
            if not connection.is_connected:
                connection.connect()  # with Sentinel, only this looks up the master
            packed = connection.pack_command(*command)
            sent.append(True)  # from here on, the server may receive it
            connection.send_packed_command(packed)
            answer = connection.read_response()
        except ResponseError as error:
            refusal = refusal_of(error)
            if refusal is not None and refusal.is_elsewhere:
                connection.disconnect()
                self.close()  # idle connections lead to the same server
            else:
                self._keep(connection)  # an error is a complete answer, too
            raise
        except RedisConnectionError:
            connection.disconnect()
            self.close()  # the same fault has most likely broken all of them
            raise
        except BaseException:
            connection.disconnect()
            raise
        self._keep(connection)
        return answer

    def _keep(self, connection: Any) -> None:
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.disconnect()
