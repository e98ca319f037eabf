"""Reports records in Redis that the API should have written but did not: in the log, and as an alert."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Executions
from jobqueue.model.alert import RECORDS_ALTERED

logger = logging.getLogger(__name__)

#: Seconds between two reports of the same record: some are read with every request.
QUIET_SECONDS = 60.0
_MOST_PLACES = 1000


class TamperAlarm:
    """Raised for altered records. ``clock`` is in seconds."""

    def __init__(self, executions: Executions, clock: Callable[[], float] = time.monotonic) -> None:
        self._executions = executions
        self._clock = clock
        self._raised: OrderedDict[str, float] = OrderedDict()

    def __call__(self, location: str, sentence: str) -> None:
        """Report that the API did not write the record in ``location``; ``sentence`` is the message for a person."""
        now = self._clock()
        if now - self._raised.get(location, float("-inf")) < QUIET_SECONDS:
            return
        self._raised[location] = now
        self._raised.move_to_end(location)
        while len(self._raised) > _MOST_PLACES:
            self._raised.popitem(last=False)
        logger.error("SECURITY: %s", sentence)
        try:
            self._executions.alert(RECORDS_ALTERED, "", "", sentence)
        except LedgerUnavailable as error:  # it is in the log, and the next reader of the record raises the alarm again
            logger.warning("The alert could not be stored: %s", error)
