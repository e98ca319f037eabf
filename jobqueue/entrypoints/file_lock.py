"""A file lock shared by the agents of a host."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from jobqueue.errors import OperationFailed


class FileLock:
    """A held lock. ``fd`` may be passed to a process: the lock is released when its last holder ends.

    A killed process releases its locks.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self.fd = fd

    @classmethod
    def try_(cls, path: Path, *, shared: bool = False) -> FileLock | None:
        """Take the lock if it is free (``shared``: if there is no exclusive holder), else None."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OperationFailed(f"The lock file {path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if _is_at(fd, path):
                return cls(path, fd)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # another process holds it, or removed the file between opening and locking
        return None

    @classmethod
    def take(cls, path: Path, pause: Callable[[], None], *, shared: bool = False) -> FileLock:
        """Wait for the lock; ``pause`` is called between two attempts, and its exception ends the wait."""
        while (lock := cls.try_(path, shared=shared)) is None:
            pause()
        return lock

    def release(self, *, remove: bool = False) -> None:
        """Release the lock; ``remove`` the file first, which requires an exclusive lock."""
        if remove:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        os.close(self.fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
