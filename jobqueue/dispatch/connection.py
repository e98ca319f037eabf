"""The connection to the broker: tried again soon, however long the broker has been away."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection

#: Seconds between two attempts to connect. Celery would wait two seconds more each time, up to half a minute.
RETRY_SECONDS = 1.0


class SteadyConnection(Connection):  # type: ignore[misc]
    """A kombu connection that does not slow down while it tries."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> SteadyConnection:
        """Connect, trying for as long as the caller wants."""
        super().ensure_connection(
            *args,
            **{"interval_start": RETRY_SECONDS, "interval_step": 0.0, "interval_max": RETRY_SECONDS, **kwargs},
        )
        return self


class Amqp(AMQP):  # type: ignore[misc]
    """Celery's messages over such connections."""

    Connection = SteadyConnection
