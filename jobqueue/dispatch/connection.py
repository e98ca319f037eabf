"""The connection to the broker: tried again soon, however long the broker has been away."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

from jobqueue.dispatch.transport import SIEVED

#: Seconds from one attempt to connect to the next: the first pause, what each adds, the longest. Celery's own pauses
#: grow to half a minute, and a broker that is back would wait that long for its agents.
_PAUSES = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 3.0}


class ReconnectingConnection(Connection):  # type: ignore[misc]
    """A kombu connection that goes on trying at a steady pace."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> ReconnectingConnection:
        """Connect, trying for as long as the caller wants."""
        super().ensure_connection(*args, **{**_PAUSES, **kwargs})
        return self

    def get_transport_cls(self) -> type:
        """The transport; for a Redis, the one that bears refusals, and looks at what comes out of an agent's queues."""
        found: type = super().get_transport_cls()
        return SIEVED.get(found, found)


class Amqp(AMQP):  # type: ignore[misc]
    """Celery's messages over such connections."""

    Connection = ReconnectingConnection
