"""A short way to Redis for the ledger's scripts.

redis-py's client looks at a pooled connection's socket before each command, to find what a reader that was broken off
left behind; under gevent that look costs as much as the command. Here a connection is given back only after a whole
answer, and closed otherwise, so there is nothing to look for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from jobqueue.redis_refusal import refusal_of

#: Connections kept for later; a burst may use more.
_MOST_IDLE = 64


class ScriptConnection:
    """Sends commands over connections like those of a client's pool, with the client's way to try again.

    Threads and greenlets may share it. Raises what redis-py raises. ``binary``: answers are bytes, not text.
    """

    def __init__(self, client: redis.Redis, *, binary: bool = False) -> None:
        self._client = client
        self._options = {"decode_responses": False} if binary else {}
        self._idle: list[Any] = []

    def __call__(self, *command: Any) -> Any:
        """The answer to one command, which must bear repeating: a lost answer is asked for again."""
        retry = self._client.get_retry()
        if retry is None:
            return self._once(command)
        return retry.call_with_retry(lambda: self._once(command), lambda _: None)

    def close(self) -> None:
        """Close the idle connections."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                with suppress(RedisError):
                    connection.disconnect()

    def _once(self, command: tuple[Any, ...]) -> Any:
        try:
            connection = self._idle.pop()
        except IndexError:
            pool = self._client.connection_pool
            connection = pool.connection_class(**{**pool.connection_kwargs, **self._options})
        try:
            if not connection.is_connected:
                connection.connect()  # behind a Sentinel, only this asks for the master
            connection.send_packed_command(connection.pack_command(*command))
            answer = connection.read_response()
        except ResponseError as error:
            refusal = refusal_of(error)
            if refusal is not None and refusal.is_elsewhere:
                connection.disconnect()
                self.close()  # those that are idle lead to the same server
            else:
                self._keep(connection)  # an error is a whole answer, too
            raise
        except RedisConnectionError:
            connection.disconnect()
            self.close()  # what broke one has most likely broken all
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
