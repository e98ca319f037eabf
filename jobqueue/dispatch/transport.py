"""kombu's Redis transports, for an agent: what comes out of its queues is looked at before kombu reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from kombu.transport import redis, virtual

#: Name of the transport option that brings the look: (queue, what came) -> the message to go on with, None to drop it.
SIEVE = "sieve"
Sieve = Callable[[str, bytes], bytes | None]


class _Channel(Protocol):
    sieve: Sieve | None
    sep: str


def _sieved(channel: _Channel, client: Any) -> Any:
    """The client, whose answers to BRPOP go through the channel's sieve."""
    sieve, read, separator = channel.sieve, client.parse_response, channel.sep.encode()
    if sieve is None:
        return client

    def parse_response(connection: Any, command: str, **options: Any) -> Any:
        answer = read(connection, command, **options)
        if command != "BRPOP" or not answer:
            return answer
        place, raw = answer
        queue = bytes(place).rpartition(separator)[0] or place
        message = sieve(str(queue, "utf-8", "replace"), raw)
        # kombu takes None for a BRPOP that nothing came of
        return None if message is None else (place, message)

    client.parse_response = parse_response
    return client


class _Message(virtual.Message):  # type: ignore[misc]
    """Goes back into its queue as it came.

    kombu puts back what arrives just when an agent stops reading, as one that drains does. It would write the content
    as bytes, in a JSON of its own, and the sieve of the next agent would take that for a stranger's.
    """

    def serializable(self) -> dict[str, Any]:
        return dict(self._raw)


class SievedChannel(redis.Channel):  # type: ignore[misc]
    """Of one Redis."""

    Message = _Message
    sieve: Sieve | None = None
    from_transport_options = (*redis.Channel.from_transport_options, SIEVE)

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        return _sieved(self, client) if asynchronous else client


class SievedSentinelChannel(redis.SentinelChannel):  # type: ignore[misc]
    """Of a Redis behind Sentinels."""

    Message = _Message
    sieve: Sieve | None = None
    from_transport_options = (*redis.SentinelChannel.from_transport_options, SIEVE)

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        return _sieved(self, client) if asynchronous else client


class SievedTransport(redis.Transport):  # type: ignore[misc]
    """Of one Redis."""

    Channel = SievedChannel


class SievedSentinelTransport(redis.SentinelTransport):  # type: ignore[misc]
    """Of a Redis behind Sentinels."""

    Channel = SievedSentinelChannel


#: By kombu's own.
SIEVED = {redis.Transport: SievedTransport, redis.SentinelTransport: SievedSentinelTransport}
