"""Python environments, cached by content and shared by all runs and agents of a host."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobqueue.entrypoints.failure import setup_failed
from jobqueue.entrypoints.file_lock import FileLock
from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.removal import remove_tree
from jobqueue.entrypoints.setup import Setup
from jobqueue.entrypoints.uv import Uv
from jobqueue.entrypoints.workspace import made
from jobqueue.errors import OperationFailed

logger = logging.getLogger(__name__)

#: Written last: an environment without it is incomplete and never used. Its mtime is the time of the last use.
_DONE = "done.json"
_LOCK = ".lock"
#: Why the last build failed, for runs that waited for it.
_FAILED = ".failed"
_FAILED_SECONDS = 3600.0
_VENV = "venv"


@dataclass(frozen=True)
class Environment:
    """An environment in use. Pass ``fd`` to every process that uses it: while one holds it, it is not removed."""

    path: Path
    fd: int

    @property
    def bin(self) -> Path:
        return self.path / "bin"


@dataclass(frozen=True)
class _StoredEnvironment:
    key: str
    size: int
    used: float


class Environments:
    """The environments in ``folder``; those not in use may take ``max_bytes``."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @contextlib.contextmanager
    def open(self, recipe: Recipe, setup: Setup, uv: Uv) -> Iterator[Environment]:
        """The environment of ``recipe`` while the block runs; built first if missing, by one run only.

        Raises ``OperationFailed`` if it cannot be built, and what ``setup.check`` raises.
        """
        lock, built = self._get(recipe, setup, uv)
        over = built and self.evict() > self._max_bytes
        try:
            yield Environment(self._folder / recipe.key / _VENV, lock.fd)
        finally:
            lock.release()
            if over:
                self.evict()

    def evict(self) -> int:
        """Remove the least recently used until the rest fits; those in use are kept. Returns the bytes left."""
        self._clean()
        environments = sorted(self._stored(), key=lambda environment: environment.used)
        total = sum(environment.size for environment in environments)
        for environment in environments:
            if total <= self._max_bytes:
                break
            if self._remove(environment.key):
                total -= environment.size
        return total

    def _get(self, recipe: Recipe, setup: Setup, uv: Uv) -> tuple[FileLock, bool]:
        """A shared lock on the complete environment, and whether it was built just now."""
        since = time.time()
        built = False
        path = made(self._folder) / f"{recipe.key}{_LOCK}"
        waiting = False
        while True:
            lock = FileLock.try_(path, shared=True)
            if lock is not None:
                if self._use(recipe.key):
                    return lock, built
                lock.release()
            lock = FileLock.try_(path)
            if lock is None:
                if not waiting:
                    waiting = True
                    setup.say("Waiting for an environment that another job is setting up.")
                setup.pause()
                continue
            try:
                if not self._is_complete(recipe.key):
                    self._raise_if_failed(recipe.key, since, setup)
                    self._build(recipe, setup, uv, lock.fd)
                    built = True
            finally:
                # the lock is taken again as shared; changes in between are detected above
                lock.release()

    def _build(self, recipe: Recipe, setup: Setup, uv: Uv, fd: int) -> None:
        folder = self._folder / recipe.key
        (self._folder / f"{recipe.key}{_FAILED}").unlink(missing_ok=True)
        remove_tree(folder)
        made(folder)
        try:
            uv.build(recipe, folder, folder / _VENV, setup, fd)
            document = {"size": _size(folder), "lines": recipe.lines[:1000], "created": time.time()}
            fresh = folder / f"{_DONE}.new"
            fresh.write_text(json.dumps(document), encoding="utf-8")
            fresh.replace(folder / _DONE)
        except BaseException as error:
            remove_tree(folder)
            if isinstance(error, OperationFailed) and (error.details or {}).get("output") is not None:
                failure = json.dumps({"message": error.message, "output": (error.details or {})["output"]})
                (self._folder / f"{recipe.key}{_FAILED}").write_text(failure, encoding="utf-8")
            raise

    def _raise_if_failed(self, key: str, since: float, setup: Setup) -> None:
        """Share the failure of the build that this run waited for, instead of repeating it for each waiting run."""
        path = self._folder / f"{key}{_FAILED}"
        try:
            if path.stat().st_mtime < since:
                return
            failure = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        setup.say(failure["output"])
        raise setup_failed(failure["message"], output=failure["output"])

    def _use(self, key: str) -> bool:
        """Record a use; returns False if the environment is incomplete."""
        if not self._is_complete(key):
            return False
        try:
            os.utime(self._folder / key / _DONE)
        except FileNotFoundError:
            return False
        return True

    def _is_complete(self, key: str) -> bool:
        folder = self._folder / key
        # the interpreter is a link to the host's, which may be gone after an upgrade
        return (folder / _DONE).is_file() and (folder / _VENV / "bin" / "python").exists()

    def _stored(self) -> Iterator[_StoredEnvironment]:
        for path in self._folder.glob(f"*/{_DONE}"):
            try:
                yield _StoredEnvironment(
                    path.parent.name, int(json.loads(path.read_text())["size"]), path.stat().st_mtime
                )
            except (OSError, ValueError, KeyError):
                continue  # removed since

    def _remove(self, key: str) -> bool:
        lock = FileLock.try_(self._folder / f"{key}{_LOCK}")
        if lock is None:
            return False
        is_removed = False
        try:
            (self._folder / key / _DONE).unlink(missing_ok=True)  # first, so that nothing partly removed is used
            is_removed = remove_tree(self._folder / key)
            logger.info("Removed the environment %s", key)
        finally:
            lock.release(remove=is_removed)
        return is_removed

    def _clean(self) -> None:
        """Remove incomplete environments of killed agents, locks without an environment, and old failures."""
        for path in self._folder.glob(f"*{_LOCK}"):
            if not (self._folder / path.stem / _DONE).exists():
                self._remove(path.stem)
        for path in self._folder.glob(f"*{_FAILED}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _FAILED_SECONDS:
                    path.unlink()


def _size(folder: Path) -> int:
    """Bytes on disk of the content of ``folder``."""
    total = 0
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(Path(root) / name).st_blocks * 512
    return total
