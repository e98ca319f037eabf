"""Files of settings: read as a shell reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jobqueue.env_file import env_text, read_env_file
from jobqueue.errors import InvalidSettings

VALUES = {"JOBQUEUE_A": "plain", "B": "with blank", "C": 'it\'s $HOME "quoted" \\ back', "D": "k=v,k2=v2", "E": ""}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.env"
    path.write_text("# a comment\n\n; another\n" + env_text(VALUES))
    path.chmod(0o600)
    return path


def test_what_is_written_is_read(file: Path) -> None:
    assert read_env_file(file) == VALUES


def test_a_shell_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "agent.env"
    path.write_text(env_text(VALUES))
    argv = ["sh", "-c", 'set -a; . "$1"; env -0', "sh", str(path)]
    said = subprocess.run(argv, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", 1) for line in said.split("\0") if line)
    assert {name: found[name] for name in VALUES} == VALUES


@pytest.mark.parametrize("line", ["JOBQUEUE_A", "=x", "A B=x", "1A=x", "A='x"])
def test_a_wrong_line_is_named(file: Path, line: str) -> None:
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(InvalidSettings, match="line 2"):
        read_env_file(file)


def test_one_that_others_may_write(file: Path) -> None:
    file.chmod(0o666)
    with pytest.raises(InvalidSettings, match="chmod go-w"):
        read_env_file(file)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        read_env_file(tmp_path / "none")
