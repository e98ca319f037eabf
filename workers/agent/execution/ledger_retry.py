"""Keep asking the ledger while it is away: what an agent holds must not be lost because Redis restarts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import LedgerUnavailable

T = TypeVar("T")
logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def retry_until_available(call: Callable[[], T], what: str, give_up: threading.Event) -> T:
    """Call until the ledger answers; raises ``LedgerUnavailable`` only once ``give_up`` is set."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except LedgerUnavailable as error:
            if pause == _FIRST_PAUSE:
                logger.warning("Cannot %s yet, trying on: %s", what, error)
            if give_up.wait(pause):
                raise
            pause = min(pause * 2, _LONGEST_PAUSE)
