"""Locks between threads and between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobqueue.entrypoints.file_lock import FileLock
from jobqueue.errors import OperationCancelled, OperationFailed
from tests.descriptors import files


def _taken(path: Path, *, shared: bool = False) -> FileLock:
    lock = FileLock.try_(path, shared=shared)
    assert lock is not None
    return lock


def test_one_alone_or_several_shared(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    alone = _taken(path)
    assert FileLock.try_(path) is None
    assert FileLock.try_(path, shared=True) is None
    alone.release()
    first, second = _taken(path, shared=True), _taken(path, shared=True)
    assert FileLock.try_(path) is None
    first.release()
    second.release()
    _taken(path).release()


def test_a_lock_whose_file_was_removed_is_not_held(tmp_path: Path) -> None:
    """Two could think that they hold it: one the old file's lock, one the new file's."""
    path = tmp_path / "lock"
    first = _taken(path)
    first.release(remove=True)
    assert not path.exists()
    second = _taken(path)
    path.unlink()
    third = _taken(path)
    second.release()
    third.release()


def test_waiting_ends_when_it_is_free_or_stopped(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = _taken(path)
    looks: list[int] = []

    def pause() -> None:
        looks.append(1)
        if len(looks) == 3:
            held.release()

    FileLock.take(path, pause).release()
    assert len(looks) == 3
    again = _taken(path)

    def stop() -> None:
        raise OperationCancelled

    with pytest.raises(OperationCancelled):
        FileLock.take(path, stop)
    again.release()


def test_a_process_that_has_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = _taken(path, shared=True)
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[lock.fd]
    )
    lock.release()
    try:
        assert FileLock.try_(path) is None
    finally:
        child.communicate(timeout=60)
    _taken(path).release()


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = _taken(path)
    assert files(path).total() == 1
    for _ in range(20):
        assert FileLock.try_(path) is None
    assert files(path).total() == 1
    held.release()


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match=r"lock file .* cannot be used"):
        FileLock.try_(tmp_path / "no" / "folder")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperationFailed, match="cannot be used"):
        FileLock.try_(tmp_path / "link")
