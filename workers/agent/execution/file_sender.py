"""Sends files of this host to the ledger, for one execution."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import JobQueueError, LedgerUnavailable, OperationFailed
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.fetched import FetchedFiles

T = TypeVar("T")

#: Pauses in seconds between attempts while the ledger is unavailable.
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
_STALE = "Nothing more is sent: this execution has been given to another agent, or has ended."


class HostFileSender:
    """Stores the pieces of one execution under its claim; while the ledger is unavailable, it tries again."""

    def __init__(self, fetched: FetchedFiles, claim: Claim, stop: threading.Event, most_bytes: int) -> None:
        """``stop`` ends all waiting. ``most_bytes``: of the files of all jobs together."""
        self._fetched = fetched
        self._claim = claim
        self._stop = stop
        self._most_bytes = most_bytes
        self._number = 0

    def open(self) -> int:
        """See ``FileSender``."""
        hosts = self._patiently(lambda: self._fetched.open(self._claim))
        if hosts is None:
            raise OperationFailed(_STALE)
        self._number = 0
        return hosts

    def reserve(self, size: int) -> None:
        """See ``FileSender``."""
        is_reserved = self._patiently(lambda: self._fetched.reserve(self._claim, size, self._most_bytes))
        if is_reserved is None:
            raise OperationFailed(_STALE)
        if not is_reserved:
            raise OperationFailed(
                f"Nothing was sent: the files have {size} bytes, and with those of other jobs they would exceed "
                f"{self._most_bytes} bytes in Redis (JOBQUEUE_MAX_STORED_FETCHED_BYTES of this host). Delete jobs of "
                "file.fetch whose files are no longer needed, or raise the limit."
            )

    def send(self, piece: bytes) -> None:
        """See ``FileSender``."""
        if not self._patiently(lambda: self._fetched.store(self._claim, self._number, piece)):
            raise OperationFailed(_STALE)
        self._number += 1

    def _patiently(self, call: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return call()
            except LedgerUnavailable:
                if self._stop.wait(pause):
                    break
            except JobQueueError as error:
                raise _not_stored(error) from error
        try:
            return call()
        except JobQueueError as error:
            raise _not_stored(error) from error


def _not_stored(error: JobQueueError) -> OperationFailed:
    return OperationFailed(
        f"The files could not be stored in Redis: {error.message} If the agent has a Redis user that an earlier "
        "version made, it lacks the permission: make it again with `jobqueue redis acl --agent HOSTNAME`."
    )
