"""A Redis that takes no further connection (its setting ``maxclients``) says so, but closes before it is heard.

It writes its reason to a new connection and closes it without reading. redis-py sends first, and usually fails with a
broken pipe or a reset. So a connection that was cut off while it was being set up is tried once more, listening only.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

#: The server's own words.
TOO_MANY_CLIENTS = "max number of clients reached"
#: Seconds to listen; a server that takes the connection says nothing.
_LISTEN_SECONDS = 0.2
#: In redis-py's texts for a server that cannot be connected to at all.
_NOT_CONNECTED = "connecting to"


def set_up(connection: Any) -> None:
    """``connection.connect()``, also of a ``super()``; if the server takes no further one, the error says so."""
    try:
        connection.connect()
    except RedisConnectionError as error:
        text = str(error)
        if TOO_MANY_CLIENTS in text or _NOT_CONNECTED in text or not _is_refused(connection):
            raise
        raise RedisConnectionError(TOO_MANY_CLIENTS) from error


def _is_refused(connection: Any) -> bool:
    try:
        listener = connection._connect()
    except (OSError, RedisError):
        return False
    try:
        listener.settimeout(_LISTEN_SECONDS)
        return TOO_MANY_CLIENTS.encode() in listener.recv(256)
    except OSError:
        return False
    finally:
        listener.close()
