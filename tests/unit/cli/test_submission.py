"""What the words behind ``--`` become."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from jobqueue.cli.parameters import json_object
from jobqueue.cli.submission import operation_data


@pytest.mark.parametrize("words", [["printf", "<%s>", "it's", "My Dir", "$HOME", "a;b", ""], ["echo", "*"]])
def test_several_words_stay_words(words: list[str]) -> None:
    """A shell prints the same for the line as for the words themselves."""
    line = operation_data("command.shell.execute", None, [], words)["command"]
    by_line = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=20).stdout
    assert by_line == subprocess.run(words, capture_output=True, check=True, timeout=20).stdout


def test_one_word_is_a_line() -> None:
    assert operation_data("command.shell.execute", None, [], ["df -h | tail -3"]) == {"command": "df -h | tail -3"}
    assert operation_data("command.exec.execute", None, [], ["rm", "My Dir"]) == {"argv": ["rm", "My Dir"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_made_on_windows(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.json"
    path.write_bytes((json.dumps({"command": "echo é"}, ensure_ascii=False) + "\r\n").encode(encoding))
    assert json_object(f"@{path}") == {"command": "echo é"}
