"""Processes are found by what they inherited, in whatever session they are."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobqueue import process_marks
from jobqueue.process_marks import marked


@pytest.fixture
def mark() -> str:
    return f"MARKS_TEST={uuid.uuid4().hex}"


@pytest.fixture
def pids(mark: str) -> Iterator[set[int]]:
    """A process with the mark, and one that it started in a session of its own."""
    name, _, value = mark.partition("=")
    line = "setsid sleep 60 & echo $!; exec sleep 60"
    with subprocess.Popen(["sh", "-c", line], env={**os.environ, name: value}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        other = int(process.stdout.readline())
        yield {process.pid, other}
        process.kill()
        os.kill(other, 9)


@pytest.mark.parametrize("has_proc", [True, False])
def test_found_by_any_of_the_marks(
    mark: str, pids: set[int], has_proc: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_proc:
        monkeypatch.setattr(process_marks, "_PROC", tmp_path)
    assert marked([f"{mark}x", mark]) == pids
    assert marked([mark[:-1]]) == marked([]) == set()


def test_a_zombie_is_not_found(mark: str) -> None:
    name, _, value = mark.partition("=")
    process = subprocess.Popen(["true"], env={**os.environ, name: value})
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert marked([mark]) == set()
    process.wait()
