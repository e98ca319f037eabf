"""Keeps the ledger's scripts loaded, for agents whose Redis users may call but not load them."""

from __future__ import annotations

import logging

from jobqueue.ledger.scripts import Scripts

logger = logging.getLogger(__name__)


class ScriptKeeper:
    """Reloads the scripts after a restart of Redis or a failover: a replica does not have them."""

    every_seconds = 1.0

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def run_once(self) -> int:
        """Load all scripts if one is missing; returns 1 then, else 0."""
        if not self._scripts.missing():
            return 0
        self._scripts.load()
        logger.info("The ledger's scripts are loaded")
        return 1
