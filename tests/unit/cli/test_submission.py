"""What the words behind ``--`` become."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jobqueue.cli.parameters import json_object
from jobqueue.cli.submission import add_arguments
from jobqueue.operations.builtin import command

CATALOGUE = [
    {"type": "command.exec.execute", "positional": "argv", "schema": command.exec_execute.info().schema},
    {"type": "command.shell.execute", "positional": "command", "schema": command.shell_execute.info().schema},
    {"type": "node.uptime.get", "positional": None, "schema": {"properties": {}}},
]


def data_of(operation: str, words: list[str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    add_arguments(data, words, operation, CATALOGUE)
    return data


@pytest.mark.parametrize("words", [["printf", "<%s>", "it's", "My Dir", "$HOME", "a;b", ""], ["echo", "*"]])
def test_several_words_stay_words(words: list[str]) -> None:
    """A shell prints the same for the line as for the words themselves."""
    line = data_of("command.shell.execute", words)["command"]
    by_line = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=20).stdout
    assert by_line == subprocess.run(words, capture_output=True, check=True, timeout=20).stdout


def test_one_word_is_a_line() -> None:
    assert data_of("command.shell.execute", ["df -h | tail -3"]) == {"command": "df -h | tail -3"}
    assert data_of("command.exec.execute", ["rm", "My Dir"]) == {"argv": ["rm", "My Dir"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_made_on_windows(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.json"
    path.write_bytes((json.dumps({"command": "echo é"}, ensure_ascii=False) + "\r\n").encode(encoding))
    assert json_object(f"@{path}") == {"command": "echo é"}
