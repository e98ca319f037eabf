"""Files that are written as a whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from jobqueue.atomic_file import create_file, replace_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    replace_file(path, "one\n")
    assert (path.read_text(), mode(path), mode(path.parent)) == ("one\n", 0o600, 0o700)
    reader = path.open()
    replace_file(path, "two\n", 0o400)
    with reader:
        assert reader.read() == "one\n"
    assert (path.read_text(), mode(path)) == ("two\n", 0o400)
    assert list(path.parent.iterdir()) == [path]


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_text("kept")
    path.symlink_to(other)
    replace_file(path, "new")
    assert (other.read_text(), path.read_text(), path.is_symlink()) == ("kept", "new", False)


def test_a_failure_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(path, "text")
    with pytest.raises(UnicodeEncodeError):
        replace_file(tmp_path / "file", "\ud800")
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_first_creates_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert create_file(path, "one") is True
    assert create_file(path, "two") is False
    assert (path.read_text(), mode(path), list(tmp_path.iterdir())) == ("one", 0o600, [path])
