"""The connection to the broker: retried at short intervals, however long the broker is down."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

from jobqueue.dispatch.transport import SIEVED
from jobqueue.jitter import shortened

#: Seconds between attempts to connect: the first pause, the increment, the longest pause. Celery's own pauses grow to
#: half a minute, which would delay the agents' return to a recovered broker by as much. Each is shortened at random.
_PAUSES = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 3.0}


class ReconnectingConnection(Connection):  # type: ignore[misc]
    """A kombu connection that keeps retrying at a steady pace."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> ReconnectingConnection:
        """Connect, retrying for as long as the caller wants."""
        pauses = {name: shortened(seconds, 0.5) for name, seconds in _PAUSES.items()}
        super().ensure_connection(*args, **{**pauses, **kwargs})
        return self

    def info(self) -> dict[str, Any]:
        """The connection's part of the statistics that an agent sends to Celery's remote control.

        Without the transport options, which hold the filter, no JSON, and may hold Sentinel's password, and without the
        addresses of other Sentinels, which hold the user's. Celery leaves out the password beside them itself.
        """
        return {**super().info(), "transport_options": {}, "alternates": []}

    def get_transport_cls(self) -> type:
        """The transport; for Redis, the one that tolerates refusals and filters an agent's messages."""
        transport: type = super().get_transport_cls()
        return SIEVED.get(transport, transport)


class Amqp(AMQP):  # type: ignore[misc]
    """Celery's messages over such connections."""

    Connection = ReconnectingConnection
