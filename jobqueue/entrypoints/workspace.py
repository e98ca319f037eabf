"""A private folder for one run, removed afterwards, even if its agent died."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from jobqueue.entrypoints.file_lock import FileLock
from jobqueue.entrypoints.removal import remove_tree
from jobqueue.errors import OperationFailed

logger = logging.getLogger(__name__)

_LOCK = ".lock"
_SWEEP_SECONDS = 60.0
_swept: dict[Path, float] = {}
_swept_lock = threading.Lock()


class Workspace:
    """``path`` is initially an empty folder. While ``fd`` is open, the folder does not count as abandoned.

    Pass ``fd`` to every process that uses the folder: they may outlive a killed agent.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def folder(self, name: str) -> Path:
        """A new folder in it."""
        path = self.path / name
        path.mkdir(mode=0o700, parents=True)
        return path


@contextlib.contextmanager
def open_workspace(parent: Path) -> Iterator[Workspace]:
    """A new folder in ``parent``, which is made if need be; removed with all in it at the end of the block.

    Raises ``OperationFailed`` when it cannot be made.
    """
    _sweep_now_and_then(parent)
    name = secrets.token_hex(8)
    lock = FileLock.take(made(parent) / f"{name}{_LOCK}", _moment)
    try:
        path = parent / name
        try:
            path.mkdir(mode=0o700)
        except OSError as error:
            raise OperationFailed(f"The folder {path} cannot be made: {error.strerror}.") from error
        yield Workspace(path, lock.fd)
    finally:
        is_removed = remove_tree(parent / name)
        lock.release(remove=is_removed)


def made(folder: Path) -> Path:
    """``folder``, for the agent's user only if it had to be made; raises ``OperationFailed`` if it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperationFailed(f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder


def sweep(parent: Path) -> int:
    """Remove the folders that a killed agent left in ``parent`` and no process uses; returns how many."""
    count = 0
    for path in sorted(parent.glob(f"*{_LOCK}")):
        lock = FileLock.try_(path)
        if lock is None:
            continue
        leftover = path.with_suffix("")
        logger.info("Removing %s, which was left behind", leftover)
        is_removed = remove_tree(leftover)
        lock.release(remove=is_removed)
        count += is_removed
    return count


def _sweep_now_and_then(parent: Path) -> None:
    with _swept_lock:
        now = time.monotonic()
        last = _swept.get(parent)
        if last is not None and now - last < _SWEEP_SECONDS:
            return
        _swept[parent] = now
    if parent.is_dir():
        sweep(parent)


def _moment() -> None:
    """Only a sweep can hold the lock, and then it finds nothing to remove."""
    time.sleep(0.01)
