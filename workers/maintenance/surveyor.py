"""Keeps the summary of all agents."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobqueue.ledger.agents import beat_seconds
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.fleet import AgentRow, summarize

#: Seconds from the beginning of one survey to that of the next in a small fleet, unless it takes longer. A large fleet
#: is surveyed as often as its agents send heartbeats, so that Redis examines a bounded number of agents per second.
_SURVEY_SECONDS = 5.0


class Surveyor:
    """Surveys all agents, a few hundred at a time, and stores the summary: readers need not look at each agent."""

    every_seconds = 0.1

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._rows: list[AgentRow] = []
        self._after = ""
        self._began = self._not_before = float("-inf")

    def run_once(self) -> int:
        if not self._after:
            if self._clock() < self._not_before:
                return 0
            self._began = self._clock()
            self._ledger.agents.align()
            self._rows = []
        rows, self._after, at = self._ledger.fleet.survey(self._after)
        self._rows += rows
        if not self._after:
            self._not_before = self._began + beat_seconds(_SURVEY_SECONDS, len(self._rows))
            self._ledger.fleet.store(summarize(self._rows, at))
            self._rows = []
        return 0
