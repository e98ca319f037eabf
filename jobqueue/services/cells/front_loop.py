"""The background work of a front's process: parts that wait, and the hosts of the cells."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from jobqueue.errors import LedgerUnavailable
from jobqueue.services.cells.parts import BATCH, PartRunner
from jobqueue.services.cells.survey import SURVEY_SECONDS, HostSurvey

logger = logging.getLogger(__name__)

#: Seconds between two turns while nothing is due.
IDLE_SECONDS = 0.5
#: Seconds before the next turn after an unexpected failure.
FAILED_SECONDS = 10.0


class FrontLoop:
    """Runs both until it is stopped."""

    def __init__(self, runner: PartRunner, survey: HostSurvey, clock: Callable[[], float] = time.monotonic) -> None:
        self._runner = runner
        self._survey = survey
        self._clock = clock

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        seconds, next_survey = 0.0, self._clock()
        while not pause(seconds):
            seconds = IDLE_SECONDS
            try:
                if self._runner.turn() == BATCH:
                    seconds = 0.0
                if self._clock() >= next_survey:
                    next_survey = self._clock() + SURVEY_SECONDS
                    self._survey.turn()
            except LedgerUnavailable as error:
                logger.debug("The parts of jobs cannot be examined at present: %s", error)
            except Exception:  # without this thread, parts that wait would stay where they are
                logger.exception("The front's background work failed; it is tried again")
                seconds = FAILED_SECONDS
        with suppress(LedgerUnavailable):  # the lease expires
            self._survey.close()
