"""The state directory: the files of ``jobqueue up`` on this machine, and the lock that allows only one."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from pathlib import Path

from jobqueue.atomic_file import replace_file
from jobqueue.errors import Conflict, JobQueueError
from jobqueue.plain_text import decoded, reason_of
from jobqueue.settings import API_URL_FILE, REDIS_URL_FILE, TOKEN_FILE

LOCK_FILE = "lock"
#: Files that exist only while ``up`` runs.
RUN_FILES = (REDIS_URL_FILE, API_URL_FILE)


class StateDirectory:
    """A private directory, held by one process at a time.

    Use it as a context manager: entering creates the directory (0700) and takes the lock, leaving removes the files
    that describe a running system and releases the lock. The lock ends with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> StateDirectory:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Create the directory and lock it; raises ``Conflict`` naming the process that holds it."""
        self._create()
        try:
            lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JobQueueError(f"The state directory {self.path} cannot be used: {reason_of(error)}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            process = f" as process {holder}" if holder.isdecimal() else ""
            raise Conflict(
                f"jobqueue is already up{process} on {self.path}; stop that one, or choose another "
                "directory with --state-dir."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock
        self.remove_run_files()  # left by an `up` that was killed

    def release(self) -> None:
        """Remove the run files and give the lock back; does nothing when the lock is not held."""
        if self._lock is None:
            return
        self.remove_run_files()
        os.ftruncate(self._lock, 0)  # the empty file stays: removing a lock file lets two processes lock two files
        os.close(self._lock)
        self._lock = None

    def remove_run_files(self) -> None:
        for name in RUN_FILES:
            (self.path / name).unlink(missing_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write one line to the file ``name`` with mode 0600; readers see the old file or the new one, never a part."""
        path = self.path / name
        replace_file(path, f"{text}\n")
        return path

    def admin_token(self) -> str:
        """The administrator's token; generated at the first call, then kept."""
        path = self.path / TOKEN_FILE
        try:
            token = decoded(path.read_bytes()).strip()
        except FileNotFoundError:
            token = ""
        except (OSError, UnicodeError) as error:
            raise JobQueueError(
                f"The token in {path} cannot be read ({reason_of(error)}); remove the file to get a new one."
            ) from error
        if token:
            path.chmod(0o600)
            return token
        token = secrets.token_urlsafe(32)
        self.write(TOKEN_FILE, token)
        return token

    def subdirectory(self, name: str) -> Path:
        """A directory inside, for this user only."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
        return path

    def _create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.path.stat()
        except OSError as error:
            raise JobQueueError(
                f"The state directory {self.path} cannot be created: {reason_of(error)}; choose another one with "
                "--state-dir."
            ) from error
        if status.st_uid != os.geteuid():
            raise JobQueueError(
                f"The state directory {self.path} belongs to another user; choose another one with --state-dir."
            )
        if stat.S_IMODE(status.st_mode) & 0o022:
            raise JobQueueError(
                f"Other users may write to the state directory {self.path}; run chmod go-w on it, or choose another "
                "one with --state-dir."
            )
