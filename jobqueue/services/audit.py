"""Writing the audit trail: those who write at the same time share one call to Redis."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass

import redis

from jobqueue.errors import JobQueueError
from jobqueue.ledger.audit import Audit
from jobqueue.model.audit import AuditEntry, AuditRecord, AuditVerdict

logger = logging.getLogger("jobqueue.audit")

#: Entries of one call at the most.
_MOST_AT_ONCE = 200


class AuditTrail:
    """The audit trail, for all requests of a process."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []
        self._is_writing = False

    def write(self, deed: AuditEntry) -> None:
        """Write one entry; it is in Redis when this returns, or else in the log as an error.

        A request whose deed could not be written has done it all the same, so that nothing is raised.
        """
        turn = _Turn(deed)
        with self._lock:
            self._waiting.append(turn)
            turn.leads = not self._is_writing
            self._is_writing = True
            if not turn.leads:
                turn.woken = threading.Event()
        if turn.woken is not None:
            turn.woken.wait()  # whoever writes is bounded by the time-outs of Redis, and always wakes the next
        if turn.leads:
            self._write_all_that_wait()

    def must_write(self, deed: AuditEntry) -> None:
        """Write one entry before what it tells of is done. Raises ``AuditUnavailable``: then it must not be done."""
        self._audit.append([deed])

    def trouble(self) -> str:
        """What keeps the trail from being written; empty if nothing does, or once it was repaired."""
        found = self._audit.trouble()
        return "" if found and self._audit.mend() else found

    def miss(self, deed: AuditEntry, reason: str) -> None:
        """Put an entry that cannot be written into the log."""
        logger.error("SECURITY: not in the audit trail (%s): %s", reason, json.dumps(deed.document()))

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> list[AuditRecord]:
        """The newest entries, newest first."""
        return self._audit.newest(limit, before, who)

    def after(self, number: int, limit: int) -> list[AuditRecord]:
        """Entries behind a number, oldest first."""
        return self._audit.after(number, limit)

    def total(self) -> int:
        """How many entries are kept."""
        return self._audit.total()

    def verify(self) -> AuditVerdict:
        """Whether the trail is whole."""
        return self._audit.verify()

    def _write_all_that_wait(self) -> None:
        """One call. Who came meanwhile is next: nobody writes for ever for others."""
        with self._lock:
            turns, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        try:
            self._audit.append([turn.deed for turn in turns])
        except (JobQueueError, redis.RedisError) as error:
            for turn in turns:
                self.miss(turn.deed, str(error))
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._is_writing = successor is not None
                if successor is not None:
                    successor.leads = True
            for turn in turns if successor is None else [*turns, successor]:
                if turn.woken is not None:
                    turn.woken.set()


@dataclass
class _Turn:
    """A deed that is to be written; its writer is woken when it is, or when it is up to him."""

    deed: AuditEntry
    leads: bool = False
    woken: threading.Event | None = None
