"""A transaction's private folder, and its atomic commit of several files.

A commit first writes its plan for the drafts (``commit.json``), then executes it. If its owner dies, the next process
that finds the folder completes the commit; so all files of a commit are replaced, or none is.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobqueue.aggregation.collections.locks import open_lock, try_lock

_COMMIT = "commit.json"
_LOCK = "lock"
_KEPT_SECONDS = 7 * 24 * 3600  # as long as a job is kept by default


class Workspaces:
    """All workspaces below one folder. Callers of these methods hold the guard of the data directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open = root / ".work"
        self._done = root / ".done"

    def prepare(self) -> None:
        """Make the folders that are needed."""
        for folder in (self._root, self._open, self._done):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self) -> Workspace:
        """A new workspace, held by this process until it is closed."""
        folder = self._open / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        lock = open_lock(folder / _LOCK)
        if not try_lock(lock):
            raise RuntimeError(f"{folder} is new, yet locked")
        return Workspace(folder, lock)

    def recover(self) -> None:
        """Finish the commits of owners that have died, and remove what they and old records leave behind."""
        for folder in self._open.iterdir():
            lock = open_lock(folder / _LOCK)
            try:
                if try_lock(lock):
                    if (folder / _COMMIT).exists():
                        self.apply(folder)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
        oldest = time.time() - _KEPT_SECONDS
        for record in self._done.iterdir():
            if record.stat().st_mtime < oldest:
                record.unlink()

    def apply(self, folder: Path) -> None:
        """Execute the commit's plan; completed steps are skipped."""
        commit = json.loads((folder / _COMMIT).read_text(encoding="utf-8"))
        for draft, target in commit["replace"].items():
            if (folder / draft).exists():
                (folder / draft).replace(self._root / target)
        sync_folder(self._root)
        if commit["key"] is not None:
            write_json(self._done / f"{commit['key']}.json", commit["record"])
        (folder / _COMMIT).unlink()

    def record(self, key: str) -> Any:
        """The record of the commit with this key; None if it does not exist."""
        try:
            return json.loads((self._done / f"{key}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None


class Workspace:
    """The folder of one transaction."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def seal(self, replace: Mapping[str, str], key: str | None, record: Any) -> None:
        """Decide the commit: from now on it completes, even after a crash. ``replace``: draft -> its final file."""
        for draft in replace:
            sync_file(self.folder / draft)
        write_json(self.folder / _COMMIT, {"replace": dict(replace), "key": key, "record": record})

    def close(self) -> None:
        """Remove and release the folder; if its commit was decided but not completed, it is left to recovery."""
        try:
            if not (self.folder / _COMMIT).exists():
                shutil.rmtree(self.folder)
        finally:
            os.close(self._lock)


def write_json(path: Path, value: Any) -> None:
    """Put JSON in place in one step, so that it lasts through a power cut."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(value), encoding="utf-8")
    sync_file(draft)
    draft.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
