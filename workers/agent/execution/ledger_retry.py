"""Retries ledger calls while the ledger is unavailable: a Redis restart must not lose an agent's results."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import LedgerUnavailable
from jobqueue.jitter import shortened

T = TypeVar("T")
logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def retry_until_available(call: Callable[[], T], purpose: str, give_up: threading.Event) -> T:
    """Retry until the ledger responds; raises ``LedgerUnavailable`` only once ``give_up`` is set."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except LedgerUnavailable as error:
            if pause == _FIRST_PAUSE:
                logger.warning("Cannot %s yet, retrying: %s", purpose, error)
            if give_up.wait(shortened(pause, 0.5)):
                raise
            pause = min(pause * 2, _LONGEST_PAUSE)
