"""Waiting for an entry of a stream without reading it."""

from __future__ import annotations

from typing import Any

import redis
from redis.exceptions import ResponseError


class StreamWatch:
    """Waits on connections of a client's pool. Thread-safe. Raises redis-py's errors.

    Redis answers a wait with the entry, which an agent may have made as large as it likes. So it is told to skip this
    answer; that to the ``PING`` behind it comes once the wait is over.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def wait(self, key: str, after: str, seconds: float) -> None:
        """Return when the stream has an entry after the id ``after``, or after so many seconds."""
        read = ("XREAD", "COUNT", 1, "BLOCK", max(1, int(seconds * 1000)), "STREAMS", key, after)
        retry = self._client.get_retry()
        if retry is None:
            self._once(read)
        else:
            retry.call_with_retry(lambda: self._once(read), lambda _: None)

    def _once(self, read: tuple[Any, ...]) -> None:
        pool = self._client.connection_pool
        connection = pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_commands([("CLIENT", "REPLY", "SKIP"), read, ("PING",)]))
            try:
                connection.read_response()
            except ResponseError:  # a server that cannot skip an answer sends all three
                connection.read_response()
                connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)
