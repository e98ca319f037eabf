"""How often this host has run which job: what is signed may be run so often, whatever Redis says."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
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
_ADD = """
INSERT INTO runs (job, runs, until) VALUES (?, ?, ?)
ON CONFLICT (job) DO UPDATE SET runs = runs + excluded.runs, until = max(until, excluded.until)
"""
_LOOK = "SELECT runs FROM runs WHERE job = ?"
_PRUNE = "DELETE FROM runs WHERE job IN (SELECT job FROM runs WHERE until < ? LIMIT 1000)"
#: Seconds to wait for another process of this agent that writes.
_BUSY_SECONDS = 10.0
#: Seconds until a run of an idempotent operation is written at the latest.
_WRITE_SECONDS = 0.1
#: Jobs whose runs are remembered without a look into the file.
_MOST_REMEMBERED = 20_000


class Journal:
    """Counts runs in a file (SQLite) that outlives the agent. Threads and processes may share it.

    A run that must not happen twice is on disk before it begins. One of an idempotent operation is counted at once and
    written a moment later, many with one commit: an agent that is killed in that moment may count it once less, and to
    run it again does no harm, by declaration.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises ``InvalidSettings`` if the file cannot be used: without it nothing may be run."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        #: Runs of idempotent jobs so far, with the job's time of creation; the oldest are looked up in the file.
        self._remembered: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        #: Runs that are not in the file yet, and until when they count.
        self._unwritten: dict[bytes, tuple[int, int]] = {}
        #: Jobs that were created later are in no file: only in memory, if anywhere.
        self._horizon = 0
        self._is_closed = False
        #: Why the file could not be written the last time.
        self._trouble: sqlite3.Error | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # "full": on disk with every commit, and all that the other connection wrote before with it
            self._durable, self._quick = self._connect("full"), self._connect("normal")
            if self._quick.execute("SELECT 1 FROM runs LIMIT 1").fetchone():
                self._horizon = self._now()
        except (OSError, sqlite3.Error) as error:
            raise InvalidSettings(
                f"The agent's journal {path} cannot be used ({error}). It says what has run here, so nothing is run "
                "without it: see to the disk, or choose another JOBQUEUE_STATE_DIR."
            ) from error
        self._wake = threading.Event()
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    def begin(self, job_id: str, runs: int, until: int, *, created: int, durable: bool) -> int:
        """Count a run that is about to begin; returns its number, from 1.

        ``until`` is how long this must be remembered, ``created`` a time before which the job cannot have run; both in
        microseconds. Raises ``WorkRefused`` once ``runs`` are used up, or if it cannot be written down.
        """
        key = uuid.UUID(job_id).bytes
        try:
            with self._lock:
                found = self._count(key, runs, until) if durable else self._remember(key, runs, until, created)
        except sqlite3.Error as error:
            logger.error("The journal %s cannot be written: %s", self._path, error)
            raise WorkRefused(
                f"this agent's journal cannot be written ({error}), and nothing is run without it"
            ) from error
        if found is None:
            raise WorkRefused(
                f"this host has run it already, {'once' if runs == 1 else f'{runs} times'}, and may not again"
            )
        if not durable:
            self._wake.set()
        return found

    def close(self) -> None:
        """Write what is not written, and stop."""
        with self._lock:
            self._is_closed = True
        self._wake.set()
        self._writer.join()
        with self._lock:
            self._durable.close()
            self._quick.close()

    def _count(self, key: bytes, runs: int, until: int) -> int | None:
        found = self._durable.execute(_COUNT, (key, until, runs)).fetchone()
        return int(found[0]) if found else None

    def _remember(self, key: bytes, runs: int, until: int, created: int) -> int | None:
        if self._is_closed:
            raise sqlite3.ProgrammingError("it is closed")
        if self._trouble:
            self._flush()
        if key in self._remembered:
            before = self._remembered[key][0]
        elif created > self._horizon:
            before = 0
        else:
            row = self._quick.execute(_LOOK, (key,)).fetchone()
            before = (int(row[0]) if row else 0) + self._unwritten.get(key, (0, 0))[0]
        if before >= runs:
            return None
        self._remembered[key] = before + 1, created
        self._unwritten[key] = self._unwritten.get(key, (0, 0))[0] + 1, until
        if len(self._remembered) > _MOST_REMEMBERED:
            _, (_, oldest) = self._remembered.popitem(last=False)
            self._horizon = max(self._horizon, oldest)
        return before + 1

    def _write(self) -> None:
        """In a thread of its own: write what was counted, and forget what no longer counts."""
        while not self._is_closed:
            self._wake.wait()
            if not self._is_closed:
                time.sleep(_WRITE_SECONDS)  # others join in
            self._wake.clear()
            was_in_trouble = self._trouble is not None
            try:
                with self._lock:
                    self._flush()
            except sqlite3.Error as error:
                if not was_in_trouble:
                    logger.error("The journal %s cannot be written; it is tried again: %s", self._path, error)
                self._wake.set()

    def _flush(self) -> None:
        rows = [(key, runs, until) for key, (runs, until) in self._unwritten.items()]
        try:
            with self._quick:  # commits, or takes all of it back
                self._quick.execute("BEGIN IMMEDIATE")
                self._quick.executemany(_ADD, rows)
                self._quick.execute(_PRUNE, (self._now(),))
        except sqlite3.Error as error:
            self._trouble = error
            raise
        self._trouble = None
        self._unwritten.clear()

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.executescript(_SCHEMA)
        return connection
