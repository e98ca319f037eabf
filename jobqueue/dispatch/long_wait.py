"""Waiting for messages on Redis: one long BRPOP that ends at once when the agent stops or changes its queues.

kombu asks every second, which is most of what an idle fleet costs Redis. It also keeps the connection with which it
declares queues; here every agent keeps only the one on which it waits.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty
from typing import Any

from jobqueue.jitter import shortened

logger = logging.getLogger(__name__)

#: Seconds of one BRPOP at most. A waiting Redis answers this often, so that a silent connection is detected.
WAIT_SECONDS = 10
#: Seconds for which the server's last answer is awaited on a connection that is given up.
_LAST_ANSWER_SECONDS = 0.5
#: A server that answers BRPOP within this many seconds had the message before: more may wait behind it.
_AT_ONCE_SECONDS = 0.02


class LongWait:
    """The part of a channel that waits; before a channel class of kombu's Redis transports."""

    def basic_consume(self, queue: str, *args: Any, **options: Any) -> Any:
        """Read one more queue, at once."""
        self.end_wait()
        return super().basic_consume(queue, *args, **options)  # type: ignore[misc]

    def _basic_cancel(self, consumer_tag: str) -> Any:
        # before the queue has no consumer any more: what arrives until then is delivered
        self.end_wait()
        return super()._basic_cancel(consumer_tag)  # type: ignore[misc]

    def close(self) -> None:
        """Close the connections. kombu itself would wait for the answer to a BRPOP."""
        self.end_wait()
        super().close()  # type: ignore[misc]

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """A client for one step; an agent has such a step when it connects, and keeps no connection for it."""
        with super().conn_or_acquire(client) as connection:  # type: ignore[misc]
            yield connection
        if client is None and self.message_filter is not None:  # type: ignore[attr-defined]
            self.pool.disconnect(inuse_connections=False)  # type: ignore[attr-defined]

    def end_wait(self) -> None:
        """End a pending BRPOP. A message that the server has taken from its list by now is delivered."""
        connection = self._in_poll
        if not connection:
            return
        self._is_ending = True
        try:
            if connection._sock is not None:
                # The server ends a wait when it reads the end of our stream; what it has sent before still arrives.
                # Not the method of a TLS socket: that one would give up reading, too.
                connection._sock.settimeout(_LAST_ANSWER_SECONDS)
                socket.socket.shutdown(connection._sock, socket.SHUT_WR)
            self._brpop_read()  # type: ignore[attr-defined]
        except Empty:
            pass
        except self.connection_errors as error:  # type: ignore[attr-defined]
            logger.debug("The wait for messages was ended: %s", error)
        finally:
            self._is_ending = False
            with suppress(OSError):
                connection.disconnect()

    def is_more_likely(self) -> bool:
        """Whether more messages may wait behind the one that BRPOP has just brought, and the wait does not end."""
        sent_at = self._brpop_sent_at
        return not self._is_ending and sent_at is not None and time.monotonic() - sent_at < _AT_ONCE_SECONDS

    _is_ending = False
    _in_poll: Any
    _brpop_sent_at: float | None

    def _brpop_start(self, timeout: float | None = None) -> None:
        if timeout is None:
            timeout = round(shortened(self.brpop_timeout), 2)  # type: ignore[attr-defined]
        super()._brpop_start(timeout)  # type: ignore[misc]
