"""Writing the audit trail: those who write at the same time share one call to Redis."""

from __future__ import annotations

import json
import logging
import threading

import redis

from jobqueue.errors import LedgerUnavailable
from jobqueue.model.audit import AuditEntry, Deed, Verdict
from jobqueue.store.audit import Audit

logger = logging.getLogger("jobqueue.audit")

#: Entries of one call at the most.
_MOST_AT_ONCE = 200
#: Seconds that somebody waits for the one who writes for him; Redis answers or fails long before.
_PATIENCE_SECONDS = 30.0


class AuditTrail:
    """The audit trail, for all requests of a process."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lock = threading.Lock()
        self._waiting: list[tuple[Deed, threading.Event]] = []
        self._is_writing = False

    def write(self, deed: Deed) -> None:
        """Write one entry; it is in Redis when this returns, or else in the log as an error.

        A request whose deed could not be written has done it all the same, so that nothing is raised.
        """
        done = threading.Event()
        with self._lock:
            self._waiting.append((deed, done))
            leads = not self._is_writing
            self._is_writing = True
        if leads:
            self._write_all()
        else:
            done.wait(_PATIENCE_SECONDS)

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> list[AuditEntry]:
        """The newest entries, newest first."""
        return self._audit.newest(limit, before, who)

    def after(self, number: int, limit: int) -> list[AuditEntry]:
        """Entries behind a number, oldest first."""
        return self._audit.after(number, limit)

    def total(self) -> int:
        """How many entries are kept."""
        return self._audit.total()

    def verify(self) -> Verdict:
        """Whether the trail is whole."""
        return self._audit.verify()

    def _write_all(self) -> None:
        """Write what waits, and what comes while that is under way."""
        while True:
            with self._lock:
                turn, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                if not turn:
                    self._is_writing = False
                    return
            try:
                self._audit.append([deed for deed, _ in turn])
            except (LedgerUnavailable, redis.RedisError) as error:
                for deed, _ in turn:
                    logger.error("SECURITY: not in the audit trail (%s): %s", error, json.dumps(deed.document()))
            finally:
                for _, done in turn:
                    done.set()
