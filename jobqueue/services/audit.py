"""Writes the audit trail: concurrent writers share one call to Redis."""

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

#: Maximum number of entries of one call.
_MOST_AT_ONCE = 200


class AuditTrail:
    """The audit trail, shared by all requests of a process."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lock = threading.Lock()
        self._waiting: list[_Turn] = []
        self._is_writing = False

    def write(self, entry: AuditEntry) -> None:
        """Write one entry; when this returns, the entry is in Redis, or in the log as an error.

        A request whose entry could not be written has already been carried out, so no exception is raised.
        """
        turn = _Turn(entry)
        with self._lock:
            self._waiting.append(turn)
            turn.leads = not self._is_writing
            self._is_writing = True
            if not turn.leads:
                turn.woken = threading.Event()
        if turn.woken is not None:
            turn.woken.wait()  # the writer is bounded by Redis' time-outs, and always wakes the next one
        if turn.leads:
            self._write_all_that_wait()

    def must_write(self, entry: AuditEntry) -> None:
        """Write an entry before its action is carried out. Raises ``AuditUnavailable``: the action must not happen."""
        self._audit.append([entry])

    def trouble(self) -> str:
        """Why the trail cannot be written; empty if it can, or after a successful repair."""
        trouble = self._audit.trouble()
        return "" if trouble and self._audit.repair() else trouble

    def miss(self, entry: AuditEntry, reason: str) -> None:
        """Log an entry that cannot be written."""
        logger.error("SECURITY: not in the audit trail (%s): %s", reason, json.dumps(entry.document()))

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> list[AuditRecord]:
        """The newest entries, newest first."""
        return self._audit.newest(limit, before, who)

    def after(self, number: int, limit: int) -> list[AuditRecord]:
        """Entries after a number, oldest first."""
        return self._audit.after(number, limit)

    def total(self) -> int:
        """How many entries are kept."""
        return self._audit.total()

    def verify(self) -> AuditVerdict:
        """Verify the whole trail."""
        return self._audit.verify()

    def _write_all_that_wait(self) -> None:
        """Write one batch in one call. The first writer still waiting writes the next one."""
        with self._lock:
            turns, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        try:
            self._audit.append([turn.entry for turn in turns])
        except (JobQueueError, redis.RedisError) as error:
            for turn in turns:
                self.miss(turn.entry, str(error))
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
    """A pending entry; its writer is woken when the entry is written, or when it should write the next batch."""

    entry: AuditEntry
    leads: bool = False
    woken: threading.Event | None = None
