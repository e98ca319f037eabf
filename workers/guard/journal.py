"""How often this host has run which job: what is signed may be run so often, whatever Redis says."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from jobqueue.errors import InvalidSettings, WorkRefused

logger = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    job BLOB PRIMARY KEY,
    runs INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_until ON runs (until);
"""
_COUNT = """
INSERT INTO runs (job, runs, until) VALUES (?, 1, ?)
ON CONFLICT (job) DO UPDATE SET runs = runs + 1, until = max(until, excluded.until) WHERE runs < ?
RETURNING runs
"""
_PRUNE = "DELETE FROM runs WHERE job IN (SELECT job FROM runs WHERE until < ? LIMIT 1000)"
#: Seconds to wait for another process of this agent that writes.
_BUSY_SECONDS = 10.0
#: Runs between two looks for what may be forgotten.
_PRUNE_EVERY = 500


class Journal:
    """Counts runs in a file (SQLite) that outlives the agent. Threads and processes may share it.

    A run that must not happen twice is on disk before it begins. One of an idempotent operation is written at once too,
    but only a crash of the agent is waited out, not one of the machine: to run it again does no harm, by declaration.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises ``InvalidSettings`` if the file cannot be used: without it nothing may be run."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # "full": on disk with every commit, and all that the other connection wrote before with it
            self._durable, self._quick = self._connect("full"), self._connect("normal")
        except (OSError, sqlite3.Error) as error:
            raise InvalidSettings(
                f"The agent's journal {path} cannot be used ({error}). It says what has run here, so nothing is run "
                "without it: see to the disk, or choose another JOBQUEUE_STATE_DIR."
            ) from error

    def begin(self, job_id: str, runs: int, until: int, *, durable: bool) -> int:
        """Count a run that is about to begin; returns its number, from 1.

        ``until`` (microseconds) is how long this must be remembered. Raises ``WorkRefused`` once ``runs`` are used up,
        or if it cannot be written down.
        """
        connection = self._durable if durable else self._quick
        key = uuid.UUID(job_id).bytes
        try:
            with self._lock:
                found = connection.execute(_COUNT, (key, until, runs)).fetchone()
                self._begun += 1
                if self._begun % _PRUNE_EVERY == 0:
                    self._quick.execute(_PRUNE, (int(self._clock() * 1_000_000),))
        except sqlite3.Error as error:
            logger.error("The journal %s cannot be written: %s", self._path, error)
            raise WorkRefused(
                f"this agent's journal cannot be written ({error}), and nothing is run without it"
            ) from error
        if found is None:
            raise WorkRefused(
                f"this host has run it already, {'once' if runs == 1 else f'{runs} times'}, and may not again"
            )
        return int(found[0])

    def close(self) -> None:
        with self._lock:
            self._durable.close()
            self._quick.close()

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.executescript(_SCHEMA)
        return connection
