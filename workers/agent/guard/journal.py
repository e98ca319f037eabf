"""The host's journal: how often each job was begun, and which jobs have ended. It limits repeated runs."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jobqueue.errors import InvalidSettings, WorkRefused
from jobqueue.model.timestamps import to_iso
from jobqueue.plain_text import reason_of

logger = logging.getLogger(__name__)

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS runs (
        job BLOB PRIMARY KEY, runs INTEGER NOT NULL, until INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS runs_until ON runs (until)",
    "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)
_HAS_RUNS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'runs'"
_COLUMNS = "SELECT name FROM pragma_table_info('runs')"
#: Journals of older versions lack this column.
_ADD_ENDED = "ALTER TABLE runs ADD COLUMN ended INTEGER NOT NULL DEFAULT 0"
_COUNT = """
INSERT INTO runs (job, runs, until) VALUES (?, 1, ?)
ON CONFLICT (job) DO UPDATE SET runs = runs + 1, until = max(until, excluded.until) WHERE runs < ? AND NOT ended
RETURNING runs
"""
_ADD = """
INSERT INTO runs (job, runs, until, ended) VALUES (?, max(0, ?), ?, ?)
ON CONFLICT (job) DO UPDATE SET runs = max(0, runs + ?), until = max(until, excluded.until),
    ended = max(ended, excluded.ended)
"""
_LOOK = "SELECT runs, ended FROM runs WHERE job = ?"
_PRUNE = "DELETE FROM runs WHERE job IN (SELECT job FROM runs WHERE until < ? LIMIT 1000)"
_MARK = """
INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)
"""
#: Times in microseconds. Work signed before ``began`` may have run without an entry here (0: there was no earlier
#: journal); entries that were needed until a time before ``pruned`` may have been removed.
_BEGAN, _PRUNED = "began", "pruned"
#: Seconds to wait while another process of this agent writes.
_BUSY_SECONDS = 10.0
#: Maximum seconds before a run of an idempotent operation is written.
_WRITE_SECONDS = 0.1
#: Number of jobs whose runs are cached in memory.
_MOST_REMEMBERED = 20_000


class AlreadyEnded(WorkRefused):
    """This host has run the job and reported its end."""


class _Entry(NamedTuple):
    """Runs of one job. ``created``: the earliest time at which it can have run, in microseconds."""

    runs: int
    created: int
    ended: bool = False


class Journal:
    """Counts runs in a SQLite file that outlives the agent. Threads and processes may share it.

    A run that must not happen twice is on disk before it begins. A run of an idempotent operation is counted at once
    and written shortly after, many in one commit, and so is the end of each run. If the agent is killed in between,
    those are missing from the count.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, *, had_one: bool = False) -> None:
        """``had_one``: this agent had a journal before, so a missing or empty file means that it was lost.

        Raises ``InvalidSettings`` if the file cannot be used: the agent must not run anything without it.
        """
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        #: The newest jobs; older ones are looked up in the file.
        self._remembered: OrderedDict[bytes, _Entry] = OrderedDict()
        #: Pending writes: runs to add, until when they are needed (microseconds), whether the job has ended.
        self._unwritten: dict[bytes, tuple[int, int, bool]] = {}
        #: Jobs created after this time have no entry in the file, only in memory.
        self._horizon = 0
        self._is_closed = False
        #: The last write error.
        self._trouble: sqlite3.Error | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # "full": every commit is on disk, together with all earlier writes of the other connection
            self._durable, self._quick = self._connect("full", had_one), self._connect("normal", had_one)
            if self._quick.execute("SELECT 1 FROM runs LIMIT 1").fetchone():
                self._horizon = self._now()
            marks: dict[str, int] = dict(self._quick.execute("SELECT name, value FROM marks").fetchall())
            self._began, self._pruned = marks.get(_BEGAN, 0), marks.get(_PRUNED, 0)
        except (OSError, sqlite3.Error) as error:
            raise InvalidSettings(
                f"The agent's journal {path} cannot be used ({reason_of(error)}). It records what has run here, "
                "so nothing is run without it: check the disk, or choose another JOBQUEUE_STATE_DIR."
            ) from error
        self._wake = threading.Event()
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    @property
    def began(self) -> int:
        """When this journal replaced a lost one, in microseconds; 0 if none was lost."""
        return self._began

    def begin(self, job_id: str, runs: int, until: int, *, created: int, durable: bool) -> int:
        """Count a run that is about to begin; returns its number, from 1.

        The entry is kept until ``until``; ``created`` is the earliest time at which the job can have run; both in
        microseconds. Raises ``AlreadyEnded``, and ``WorkRefused`` once ``runs`` are used up, if the job's entry may
        have been removed, or if the run cannot be written.
        """
        if until < self._pruned:
            raise WorkRefused(
                f"its signature was valid until {to_iso(until)}, and this host's journal no longer covers runs before "
                f"{to_iso(self._pruned)}: was the clock set back? Submit the job again"
            )
        key = _key(job_id)
        number: int | None
        try:
            with self._lock:
                if durable:
                    number, has_ended = self._count(key, runs, until)
                else:
                    number, has_ended = self._remember(key, runs, until, created)
        except sqlite3.Error as error:
            logger.error("The journal %s cannot be written: %s", self._path, error)
            raise WorkRefused(
                f"this agent's journal cannot be written ({error}), and nothing is run without it"
            ) from error
        if has_ended:
            raise AlreadyEnded("this host has already reported its end, and may not run it again")
        if number is None:
            raise WorkRefused(
                f"this host has already run it {'once' if runs == 1 else f'{runs} times'}, and may not run it again"
            )
        if not durable and not self._wake.is_set():
            self._wake.set()
        return number

    def end(self, job_id: str, until: int, *, created: int) -> None:
        """Record that the job's end was reported: it must not begin again. Written shortly after."""
        self._note(job_id, 0, until, created, ended=True)

    def give_back(self, job_id: str, until: int, *, created: int) -> None:
        """Undo the count of one run that this agent stopped itself and handed back to the ledger."""
        self._note(job_id, -1, until, created, ended=False)

    def close(self) -> None:
        """Write pending entries, and stop."""
        with self._lock:
            self._is_closed = True
        self._wake.set()
        self._writer.join()
        with self._lock:
            self._durable.close()
            self._quick.close()

    def _note(self, job_id: str, runs: int, until: int, created: int, *, ended: bool) -> None:
        key = _key(job_id)
        with self._lock:
            if self._is_closed:
                logger.warning("The journal is closed; the end of job %s is not in it", job_id)
                return
            try:
                before = self._remembered.get(key) or self._looked_up(key, created)
            except sqlite3.Error as error:  # the entry stays pending, and no run begins until it is written
                logger.error("The journal %s cannot be read: %s", self._path, error)
                self._trouble = error
                before = _Entry(0, created)
            after = _Entry(max(0, before.runs + runs), before.created, before.ended or ended)
            self._keep(key, after, runs, until)
        if not self._wake.is_set():
            self._wake.set()

    def _count(self, key: bytes, runs: int, until: int) -> tuple[int | None, bool]:
        """The run's number, or None if refused; and whether that is because the job ended, not because of its count."""
        if key in self._unwritten:
            self._flush()
        row = self._durable.execute(_COUNT, (key, until, runs)).fetchone()
        if row:
            return int(row[0]), False
        counted = self._durable.execute(_LOOK, (key,)).fetchone()
        return None, bool(counted and counted[0] < runs)

    def _remember(self, key: bytes, runs: int, until: int, created: int) -> tuple[int | None, bool]:
        if self._is_closed:
            raise sqlite3.ProgrammingError("it is closed")
        if self._trouble:
            self._flush()
        before = self._remembered.get(key) or self._looked_up(key, created)
        if before.ended or before.runs >= runs:
            return None, before.runs < runs
        self._keep(key, _Entry(before.runs + 1, created), 1, until)
        return before.runs + 1, False

    def _looked_up(self, key: bytes, created: int) -> _Entry:
        """The job's entry in the file, combined with its pending writes."""
        if created > self._horizon:
            return _Entry(0, created)
        row = self._quick.execute(_LOOK, (key,)).fetchone() or (0, 0)
        owed, _, ended = self._unwritten.get(key, (0, 0, False))
        return _Entry(max(0, int(row[0]) + owed), created, bool(row[1]) or ended)

    def _keep(self, key: bytes, entry: _Entry, runs: int, until: int) -> None:
        """Cache an entry, and schedule ``runs`` of it to be added to the file."""
        self._remembered[key] = entry
        owed, _, ended = self._unwritten.get(key, (0, 0, False))
        self._unwritten[key] = owed + runs, until, ended or entry.ended
        if len(self._remembered) > _MOST_REMEMBERED:
            _, oldest = self._remembered.popitem(last=False)
            self._horizon = max(self._horizon, oldest.created)

    def _write(self) -> None:
        """In a separate thread: write pending entries, and remove expired ones."""
        while not self._is_closed:
            self._wake.wait()
            if not self._is_closed:
                time.sleep(_WRITE_SECONDS)  # batch more entries
            self._wake.clear()
            was_in_trouble = self._trouble is not None
            try:
                with self._lock:
                    self._flush()
            except sqlite3.Error as error:
                if not was_in_trouble:
                    logger.error("The journal %s cannot be written; retrying: %s", self._path, error)
                self._wake.set()

    def _flush(self) -> None:
        rows = [(key, runs, until, ended, runs) for key, (runs, until, ended) in self._unwritten.items()]
        now = self._now()
        try:
            with self._quick:  # commits or rolls back
                self._quick.execute("BEGIN IMMEDIATE")
                self._quick.executemany(_ADD, rows)
                if self._quick.execute(_PRUNE, (now,)).rowcount:
                    # in the same commit: a removed entry must not look like a job that never ran
                    self._quick.execute(_MARK, (_PRUNED, now))
                    self._pruned = max(self._pruned, now)
        except sqlite3.Error as error:
            self._trouble = error
            raise
        self._trouble = None
        self._unwritten.clear()

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    def _connect(self, synchronous: str, had_one: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # two processes of one agent may start at the same time
            is_new = connection.execute(_HAS_RUNS).fetchone() is None
            for statement in _SCHEMA:
                connection.execute(statement)
            if "ended" not in {name for (name,) in connection.execute(_COLUMNS)}:
                connection.execute(_ADD_ENDED)
            if is_new and had_one:
                connection.execute(_MARK, (_BEGAN, self._now()))
        if is_new and had_one:
            logger.error("ALERT: this agent's journal %s was lost; a new one was started", self._path)
        return connection


def _key(job_id: str) -> bytes:
    """The 16 bytes of a job's id."""
    return bytes.fromhex(job_id.replace("-", ""))
