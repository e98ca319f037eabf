"""The numbers of all server processes, in one place.

Each process writes its own to files in a directory (prometheus-client's multiprocess mode), so any of them can answer
for all: a scrape reaches one process at random. Redis would do too, but would cost a call for each request. The
directory lies in memory where it can. A lock in it is held for as long as any process of the server lives; a directory
whose lock is free was left behind by a server that was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

#: Where the library looks when it is imported, which happens in the server's workers only.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "jobqueue-metrics-"
_LOCK = "lock"
_MEMORY = Path("/dev/shm")  # noqa: S108 (the files are the server's own, in a directory for it alone)


class SharedMetrics:
    """A directory of one server. Make it before the first worker is forked."""

    def __init__(self, parent: Path | None = None) -> None:
        """``parent``: where to make it; in memory unless given."""
        in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
        parent = parent or (_MEMORY if in_memory else Path(tempfile.gettempdir()))
        _remove_abandoned(parent)
        self.path, self._lock = _make(parent)
        os.environ[VARIABLE] = str(self.path)

    def forget(self, pid: int) -> None:
        """A worker has ended: drop its gauges of open streams, and keep its counters."""
        # what prometheus_client.multiprocess.mark_process_dead does; importing it here, before gevent's changes to
        # the standard library, would hand the wrong locks to every worker that is forked later
        for path in self.path.glob(f"gauge_live*_{pid}.db"):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """The server ends."""
        os.environ.pop(VARIABLE, None)
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _make(parent: Path) -> tuple[Path, int]:
    """A directory, and its lock, which is held."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # a server that starts at the same time may have seen the lock before it was held, and have removed everything
        if os.fstat(lock).st_nlink:
            return path, lock
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, or gone by now
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
