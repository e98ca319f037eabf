"""Uploaded packages as local files: fetched once, cached for later jobs, evicted when space is short."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from jobqueue.entrypoints.file_lock import FileLock
from jobqueue.entrypoints.removal import remove_tree
from jobqueue.errors import InvalidInput, LedgerUnavailable, NotFound, OperationFailed
from jobqueue.ledger.packages import Packages
from jobqueue.model.package import PackageInfo, check_stored_name
from workers.agent.execution.bucket_download import BucketDownload
from workers.agent.execution.ledger_retry import retry_until_available

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOCK, _FETCHING, _UNFINISHED = ".lock", ".fetching", ".unfinished-"
_READ_BYTES = 1024 * 1024
#: Seconds between two attempts to take a held lock.
_LOOK_SECONDS = 0.02

T = TypeVar("T")
logger = logging.getLogger(__name__)


class PackageCache:
    """Provides packages as files, one folder per content under ``directory``; several agents may share it.

    Users of a file share its folder's lock. Once the cache exceeds ``max_bytes``, unused folders are removed, the least
    recently used first. A file's digest is verified before each use, and the file is refetched if it does not match.
    ``closing`` ends all waiting: for an unavailable ledger, and for another agent's download.
    """

    def __init__(
        self,
        packages: Packages,
        directory: Path,
        max_bytes: int,
        closing: threading.Event,
        bucket: BucketDownload | None = None,
    ) -> None:
        """``bucket``: downloads the content that is not in Redis."""
        self._packages = packages
        self._bucket = bucket
        self._directory = directory
        self._max_bytes = max_bytes
        self._closing = closing

    @contextmanager
    def open(self, name: str, digest: str | None, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """The package as a file of its own name that is there while the block runs; see ``PackageSource``."""
        try:
            check_stored_name(name)
        except InvalidInput as error:
            raise OperationFailed(error.message) from error
        if digest is None:
            digest = self._ask(name).sha256
        if not _DIGEST.fullmatch(digest):
            raise OperationFailed(f"{digest[:80]!r} is not a sha256 of a package; give 64 hex digits.")
        with _kept(name, self._directory):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_path = self._directory / f"{digest}{_LOCK}"
        lock = FileLock.take(lock_path, partial(self._pause, check), shared=True)
        try:
            with _kept(name, self._directory):
                os.utime(lock_path)  # the time of its last use
                path = self._file(self._directory / digest, name, digest, check)
            yield path
        finally:
            lock.release()

    def _file(self, folder: Path, name: str, digest: str, check: Callable[[], None]) -> Path:
        path = folder / name
        if not _is_whole(path, digest):
            folder.mkdir(mode=0o700, exist_ok=True)
            lock = FileLock.take(folder / _FETCHING, partial(self._pause, check))
            try:
                if not _is_whole(path, digest):  # another agent may have fetched it meanwhile
                    self._fetch(path, digest, check)
            finally:
                lock.release()
        return path

    def _fetch(self, path: Path, digest: str, check: Callable[[], None]) -> None:
        name = path.name
        package = self._ask(name)
        if package.sha256 != digest:
            raise OperationFailed(
                f"The package {name} was removed and uploaded again with other content since the job was submitted; "
                "submit the job again."
            )
        for leftover in path.parent.glob(f"{_UNFINISHED}*"):  # of an agent that was killed
            leftover.unlink()
        self._make_room(package.size)
        descriptor, unfinished_name = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
        unfinished = Path(unfinished_name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                size = self._persist(partial(self._copy, package, file, check), name)
            if size != digest:
                raise OperationFailed(f"The package {name} is damaged: the stored bytes differ from the uploaded ones.")
            unfinished.chmod(0o400)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        logger.info("Fetched the package %s (%d bytes)", name, package.size)

    def _copy(self, package: PackageInfo, file: BinaryIO, check: Callable[[], None]) -> str:
        """Write the package's bytes; returns their sha256. May be called again for the same file."""
        file.seek(0)
        file.truncate()
        if package.is_in_bucket:
            if self._bucket is None:
                raise OperationFailed(f"The package {package.name} is in a bucket, which this agent cannot read.")
            return self._bucket.copy(package, file, check)
        digest = hashlib.sha256()
        for piece in self._packages.read(package):
            check()
            digest.update(piece)
            file.write(piece)
        return digest.hexdigest()

    def _ask(self, name: str) -> PackageInfo:
        package = self._persist(lambda: self._packages.pin([name], is_agent=True), name).get(name)
        if package is None:
            raise OperationFailed(
                f"The package {name} is not stored: no job used it for a long time. Upload it and submit the job again."
            )
        return package

    def _persist(self, call: Callable[[], T], name: str) -> T:
        try:
            return retry_until_available(call, f"fetch the package {name}", self._closing)
        except NotFound as error:
            raise OperationFailed(error.message) from error
        except LedgerUnavailable as error:
            raise OperationFailed(f"The package {name} was not fetched before the agent shut down: {error}") from error

    def _make_room(self, needed: int) -> None:
        """Remove unused folders, the least recently used first, until ``needed`` more bytes fit."""
        folders = sorted(_look(folder) for folder in self._directory.iterdir() if folder.is_dir())
        total = sum(size for _, size, _ in folders) + needed
        for _, size, folder in folders:
            # an empty folder belongs to a package that could not be fetched
            if (size == 0 or total > self._max_bytes) and self._remove(folder):
                total -= size

    def _remove(self, folder: Path) -> bool:
        """Remove the folder unless it is in use; returns whether it is gone."""
        lock = FileLock.try_(folder.with_name(f"{folder.name}{_LOCK}"))
        if lock is None:
            return False
        is_removed = False
        try:
            is_removed = remove_tree(folder)
            logger.info("Removed %s from the cache of packages", folder.name)
        finally:
            lock.release(remove=is_removed)
        return is_removed

    def _pause(self, check: Callable[[], None]) -> None:
        check()
        if self._closing.wait(_LOOK_SECONDS):
            raise OperationFailed("The agent shut down before the package was fetched.")


def _look(folder: Path) -> tuple[float, int, Path]:
    """The folder's last use, its size in bytes, and the folder; another process may be removing it."""
    used, size = 0.0, 0
    with suppress(FileNotFoundError):
        used = folder.with_name(f"{folder.name}{_LOCK}").stat().st_mtime
    with suppress(FileNotFoundError):  # the folder itself may be removed while it is listed
        for file in folder.glob("*"):
            with suppress(FileNotFoundError):
                size += file.stat().st_size
    return used, size, folder


def _is_whole(path: Path, digest: str) -> bool:
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                hasher.update(data)
    except FileNotFoundError:
        return False
    return hasher.hexdigest() == digest


@contextmanager
def _kept(name: str, directory: Path) -> Iterator[None]:
    """Turn disk errors into ``OperationFailed`` messages."""
    try:
        yield
    except OSError as error:
        raise OperationFailed(
            f"The package {name} cannot be stored in {directory} on this host: {error.strerror or error}."
        ) from error
