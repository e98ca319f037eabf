"""The file of the cells: each mistake is named with the file, the cell and the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.cells import config
from jobqueue.errors import InvalidSettings

GOOD = """
[cells.west]
url = "https://west.example/"
token_file = "west.token"
ca = "ca.pem"
timeout_seconds = 2

[cells.east]
url = "http://127.0.0.1:8080"
token_command = "pass show east"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cells.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_cells_by_name(tmp_path: Path) -> None:
    east, west = config.load(written(tmp_path, GOOD))
    assert (east.name, east.url, east.token_command, east.timeout_seconds) == (
        "east",
        "http://127.0.0.1:8080",
        "pass show east",
        5.0,
    )
    assert (west.url, west.token_file, west.ca, west.timeout_seconds) == (
        "https://west.example",
        str(tmp_path / "west.token"),
        str(tmp_path / "ca.pem"),
        2.0,
    )
    assert "token" not in repr(west)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cells = 5", "holds none, or too many"),
        ("", "holds none, or too many"),
        ("[cells]", "holds none, or too many"),
        ("[cell.west]\nurl = 'http://a'", "holds cell"),
        ("[cells.west", "cannot be read"),
        ("[cells.West]\nurl = 'http://a'\ntoken_file = 'a'", "lower-case letters"),
        ("[cells]\nwest = 'http://a'", "must be a table"),
        ("[cells.west]\nurl = 'http://a'\ntoken = 'a'", "has no field token"),
        ("[cells.west]\nurl = 'http://a'", "needs either a token_file or a token_command"),
        ("[cells.west]\nurl = 'http://a'\ntoken_file = 'a'\ntoken_command = 'b'", "needs either"),
        ("[cells.west]\nurl = 5\ntoken_file = 'a'", "are texts"),
        ("[cells.west]\ntoken_file = 'a'", "is not an API address"),
        ("[cells.west]\nurl = 'ftp://a'\ntoken_file = 'a'", "is not an API address"),
        ("[cells.west]\nurl = 'http://a'\ntoken_command = '\"'", "cannot be read"),
        ("[cells.west]\nurl = 'http://a'\ntoken_file = 'a'\ntimeout_seconds = 0", "from 0.1 to 60"),
        ("[cells.west]\nurl = 'http://a'\ntoken_file = 'a'\ntimeout_seconds = true", "from 0.1 to 60"),
        (
            "[cells.a]\nurl = 'http://a'\ntoken_file = 'a'\n[cells.b]\nurl = 'http://a/'\ntoken_file = 'b'",
            "the cells a and b have the same address",
        ),
    ],
)
def test_mistakes(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidSettings) as caught:
        config.load(path)
    assert caught.value.message.startswith("JOBQUEUE_CELLS: ")
    assert str(path) in caught.value.message
    assert complaint in caught.value.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_made_on_windows(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, GOOD)
    expected = config.load(path)
    path.write_bytes(GOOD.replace("\n", "\r\n").encode(encoding))
    assert config.load(path) == expected


def test_a_file_that_others_may_write(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    path.chmod(0o622)
    with pytest.raises(InvalidSettings, match="other users may write"):
        config.load(path)
    with pytest.raises(InvalidSettings, match="No such file"):
        config.load(tmp_path / "none.toml")
