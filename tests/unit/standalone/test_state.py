"""The state directory and its lock."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobqueue.errors import Conflict, JobQueueError
from jobqueue.standalone.state import StateDirectory

HOLDER = """
import sys
from pathlib import Path
from jobqueue.standalone.state import StateDirectory
StateDirectory(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with StateDirectory(path) as state:
        assert mode_of(path) == 0o700
        assert mode_of(state.subdirectory("work")) == 0o700


def test_a_second_one_gets_the_holder(tmp_path: Path) -> None:
    with (
        StateDirectory(tmp_path),
        pytest.raises(Conflict, match=rf"already up as process {os.getpid()} on .*--state-dir"),
    ):
        StateDirectory(tmp_path).acquire()
    with StateDirectory(tmp_path):
        pass


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=f"as process {holder.pid} on"):
            StateDirectory(tmp_path).acquire()
        holder.kill()
    with StateDirectory(tmp_path):
        pass


def test_the_token_is_secret_and_stays_the_same(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as state:
        token = state.admin_token()
        assert len(token) >= 43
        assert mode_of(tmp_path / "admin.token") == 0o600
    (tmp_path / "admin.token").chmod(0o644)
    with StateDirectory(tmp_path) as state:
        assert state.admin_token() == token
        assert mode_of(tmp_path / "admin.token") == 0o600


def test_two_directories_have_two_tokens(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "a") as one, StateDirectory(tmp_path / "b") as two:
        assert one.admin_token() != two.admin_token()


def test_run_files_are_private_and_gone_afterwards(tmp_path: Path) -> None:
    with StateDirectory(tmp_path) as state:
        state.write("redis.url", "redis://:secret@h")
        state.write("api.url", "http://h")
        assert mode_of(tmp_path / "redis.url") == 0o600
        assert (tmp_path / "redis.url").read_text() == "redis://:secret@h\n"
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert (tmp_path / "lock").read_text() == ""


def test_run_files_of_a_killed_run_are_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "api.url").write_text("http://old")
    with StateDirectory(tmp_path):
        assert not (tmp_path / "api.url").exists()


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(JobQueueError, match="Other users may write"):
        StateDirectory(tmp_path).acquire()


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobQueueError, match="cannot be created"):
        StateDirectory(tmp_path / "file").acquire()
