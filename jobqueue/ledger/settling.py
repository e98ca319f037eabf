"""Settles whether a change was made when the answer to its call was lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import LedgerUnavailable, LedgerUncertain

_T = TypeVar("_T")

#: Seconds before each further try. A try without an answer takes ``COMMAND_TIMEOUT``, so all take about six seconds.
PAUSES = (0.2, 0.4)


def settled(call: Callable[[], _T], sleep: Callable[[float], None] = time.sleep) -> _T:
    """The answer to ``call``, which is repeated a few times if its answer was lost.

    ``call`` must be safe to repeat: its later answers must be the same, or say that the change was made already.
    Raises ``LedgerUncertain`` if it may have run and the ledger never confirmed it, ``LedgerUnavailable`` if it
    certainly has not.
    """
    may_have_run = False
    for pause in (*PAUSES, None):
        try:
            return call()
        except LedgerUnavailable as error:
            may_have_run = may_have_run or error.may_have_run
            if not may_have_run:
                raise
            if pause is None:
                raise LedgerUncertain from error
        sleep(pause)
    raise AssertionError("the last try returns or raises")
