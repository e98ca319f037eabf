"""The logs of `jobqueue up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.standalone import log_files
from jobqueue.standalone.log_files import LogFiles


def test_a_file_for_each_process(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    logs = LogFiles(tmp_path, lambda *line: shown.append(line))
    for name, line in (("api", "one"), ("web1", "50% of %s"), ("api", "two"), ("jobqueue", "web1 ended unasked")):
        logs.emit(name, line)
    logs.close()
    assert shown == [("jobqueue", "web1 ended unasked")]  # what `up` itself has to say is always shown
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "api.log": "one\ntwo\n",
        "web1.log": "50% of %s\n",
        "jobqueue.log": "web1 ended unasked\n",
    }


def test_verbose(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    logs = LogFiles(tmp_path, lambda *line: shown.append(line), everything=True)
    logs.emit("api", "one")
    logs.close()
    assert shown == [("api", "one")]
    assert (tmp_path / "api.log").read_text() == "one\n"


def test_they_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MOST_BYTES", 1000)
    logs = LogFiles(tmp_path, lambda *_: None)
    for number in range(500):
        logs.emit("api", f"line {number}")
    logs.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"api.log", "api.log.1"}
    assert max(sizes.values()) <= 1000
    assert (tmp_path / "api.log").read_text().endswith("line 499\n")


def test_a_directory_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    logs = LogFiles(tmp_path / "none", lambda *_: None)
    logs.emit("api", "one")
    logs.close()
