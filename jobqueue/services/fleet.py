"""The summary of all agents for pages, metrics and the status: its cost does not grow with the fleet."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobqueue.ledger.agents import Agents
from jobqueue.ledger.fleet import STEP, Fleet
from jobqueue.model.fleet import FleetSummary, summarize
from jobqueue.shared_reading import SharedReading

#: Seconds for which a reading is reused: of a small fleet, of a stored summary, and of a large fleet without one.
_FRESH_SECONDS = 1.0
_COSTLY_SECONDS = 10.0


class FleetReader:
    """The summary as it was at most a second ago, or, of more than ``STEP`` agents, as maintenance stored it.

    A larger fleet without a stored summary (no copy of maintenance has run since the upgrade) is surveyed here, in
    short calls and at most every ten seconds.
    """

    def __init__(self, fleet: Fleet, agents: Agents, clock: Callable[[], float] = time.monotonic) -> None:
        self._fleet = fleet
        self._agents = agents
        self._newest = SharedReading(self._read, clock)

    def summary(self) -> FleetSummary:
        """The summary. Raises ``LedgerUnavailable``."""
        return self._newest()

    def _read(self) -> tuple[FleetSummary, float]:
        self._agents.align()
        if self._agents.count() > STEP:
            stored = self._fleet.stored()
            if stored is not None:
                return stored, _FRESH_SECONDS
        rows, after, at = self._fleet.survey()
        seconds = _FRESH_SECONDS
        while after:
            further_rows, after, _ = self._fleet.survey(after)
            rows += further_rows
            seconds = _COSTLY_SECONDS
        return summarize(rows, at), seconds
