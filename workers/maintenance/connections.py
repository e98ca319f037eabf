"""Watches how many connections Redis has left: an agent that is refused one cannot renew its leases."""

from __future__ import annotations

import logging

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.alert import CONNECTIONS_SCARCE
from jobqueue.redis_server import connections, is_scarce, room

logger = logging.getLogger(__name__)


class ConnectionCounter:
    """Raises an alert when most connections are in use; another one only after there was room again."""

    every_seconds = 10.0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._was_scarce = False

    def run_once(self) -> int:
        """Compare the server's connections with its limit; returns 1 with an alert, else 0."""
        info = self._ledger.server()
        scarce, was_scarce = is_scarce(info), self._was_scarce
        self._was_scarce = scarce
        if not scarce or was_scarce:
            return 0
        _, text = room("Redis", info)
        used, most = connections(info)
        logger.warning("ALERT: %d of the %d connections of Redis are in use. %s", used, most, text)
        self._ledger.executions.alert(CONNECTIONS_SCARCE, "", "", text)
        return 1
