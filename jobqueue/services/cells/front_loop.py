"""The background work of a front's process: parts that wait, and the hosts of the cells, each in a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from jobqueue.errors import LedgerUnavailable

logger = logging.getLogger(__name__)

#: Seconds before the next turn while the ledger is unavailable, and after an unexpected failure.
AWAY_SECONDS, FAILED_SECONDS = 0.5, 10.0


class FrontLoop:
    """Repeats one kind of work until it is stopped."""

    def __init__(self, turn: Callable[[], float], end: Callable[[], None] = lambda: None) -> None:
        """``turn`` returns the seconds until the next turn; ``end`` is called once, at the end."""
        self._turn = turn
        self._end = end

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        seconds = 0.0
        while not pause(seconds):
            try:
                seconds = self._turn()
            except LedgerUnavailable as error:
                logger.debug("The front's background work waits for its ledger: %s", error)
                seconds = AWAY_SECONDS
            except Exception:  # without this thread, parts that wait would stay where they are
                logger.exception("The front's background work failed; it is tried again")
                seconds = FAILED_SECONDS
        with suppress(LedgerUnavailable):  # what is left expires
            self._end()
