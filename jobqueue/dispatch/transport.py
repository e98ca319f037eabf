"""kombu's Redis transports: a refusing server counts as unreachable, and an agent's messages are filtered.

kombu and Celery reconnect when a connection is lost, but end the worker when a command returns an error. A server that
takes no writes for a while (``jobqueue/redis_refusal.py``) answers BRPOP with an error.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from kombu.transport import redis, virtual
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from jobqueue.dispatch.long_wait import WAIT_SECONDS, LongWait
from jobqueue.redis_clients_limit import set_up
from jobqueue.redis_driver import driver_options
from jobqueue.redis_refusal import refusal_of

logger = logging.getLogger(__name__)

#: Name of the transport option with the filter.
MESSAGE_FILTER = "message_filter"


class Sieve(Protocol):
    """What messages go through before kombu processes them."""

    def __call__(self, queue: str, messages: list[bytes]) -> bytes | None:
        """The message for kombu to process; None to drop it. Several messages are never for kombu."""

    def room(self) -> int:
        """How many further messages may come together with one."""

    def readers(self, queue: str) -> int:
        """How many readers a queue has; 0: not known."""


class BrokerRefuses(RedisConnectionError):
    """The broker's Redis answers but cannot serve now. kombu handles it like a lost connection."""


def _patient(connection_class: Any) -> Any:
    """A connection class that raises refusals as lost connections."""

    class Connection(connection_class):  # type: ignore[misc]
        def connect(self) -> None:
            set_up(super())

        def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                return super().read_response(*args, **options)
            except ResponseError as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                raise BrokerRefuses(refusal.sentence) from error

    return Connection


class _Patient:
    """The common part of the channels."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        parameters = super()._connparams(asynchronous)  # type: ignore[misc]
        return {**parameters, **driver_options(), "connection_class": _patient(parameters["connection_class"])}


class _Channel(Protocol):
    message_filter: Sieve | None
    sep: str

    def is_more_likely(self) -> bool: ...


def _further(connection: Any, key: bytes, queue: str, message_filter: Sieve) -> list[bytes]:
    """Further messages of a list from which BRPOP has just taken one: as many as there is room for, and no more than
    this reader's share of those that wait there."""
    most, readers = message_filter.room(), message_filter.readers(queue)
    try:
        if most > 0 and readers > 1:
            connection.send_command("LLEN", key)
            most = min(most, connection.read_response() // readers)
        if most < 1 or readers < 1:
            return []
        connection.send_command("RPOP", key, most)
        return connection.read_response() or []
    except ResponseError as error:  # such as a user who may not: then they come one by one
        logger.debug("No further messages of %s: %s", queue, error)
        return []


def _sieved(channel: _Channel, client: Any) -> Any:
    """A client whose BRPOP answers go through the channel's message_filter."""
    message_filter, read, separator = channel.message_filter, client.parse_response, channel.sep.encode()
    if message_filter is None:
        return client

    def parse_response(connection: Any, command: str, **options: Any) -> Any:
        answer = read(connection, command, **options)
        if command != "BRPOP" or not answer:
            return answer
        key, raw = answer
        queue = str(bytes(key).rpartition(separator)[0] or key, "utf-8", "replace")
        further: list[bytes] = []
        try:
            if channel.is_more_likely():
                further = _further(connection, key, queue, message_filter)
        finally:
            message = message_filter(queue, [raw, *further])
        # kombu expects None for a BRPOP without a message
        return None if message is None else (key, message)

    client.parse_response = parse_response
    return client


class _Message(virtual.Message):  # type: ignore[misc]
    """A message that returns to its queue unchanged.

    kombu requeues messages that arrive just as an agent stops reading, for example when it drains. It would encode the
    content as bytes, in its own JSON, and the message_filter of the next agent would reject that as foreign.
    """

    def serializable(self) -> dict[str, Any]:
        return dict(self._raw)


class FilteredChannel(LongWait, _Patient, redis.Channel):  # type: ignore[misc]
    """A channel of one Redis."""

    Message = _Message
    message_filter: Sieve | None = None
    from_transport_options = (*redis.Channel.from_transport_options, MESSAGE_FILTER)

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        return _sieved(self, client) if asynchronous else client


class FilteredSentinelChannel(LongWait, _Patient, redis.SentinelChannel):  # type: ignore[misc]
    """A channel of a Redis behind Sentinels."""

    Message = _Message
    message_filter: Sieve | None = None
    from_transport_options = (*redis.SentinelChannel.from_transport_options, MESSAGE_FILTER)

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        return _sieved(self, client) if asynchronous else client


class FilteredTransport(redis.Transport):  # type: ignore[misc]
    """The transport for one Redis."""

    Channel = FilteredChannel
    brpop_timeout = WAIT_SECONDS


class FilteredSentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """The transport for a Redis behind Sentinels."""

    Channel = FilteredSentinelChannel
    brpop_timeout = WAIT_SECONDS


#: Based on kombu's own.
SIEVED = {redis.Transport: FilteredTransport, redis.SentinelTransport: FilteredSentinelTransport}
