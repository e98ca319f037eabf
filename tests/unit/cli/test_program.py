"""The command as its reader can call it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobqueue.cli.program import program


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("is_module", [False, True], ids=["script", "python -m"])
def test_the_path_unless_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_module: bool) -> None:
    own, other = executable(tmp_path / "a b/jobqueue"), executable(tmp_path / "other/jobqueue")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py" if is_module else own)])
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    for path, shown in ((own.parent, "jobqueue"), (other.parent, f"'{own}'"), (tmp_path, f"'{own}'")):
        monkeypatch.setenv("PATH", str(path))
        assert program() == shown
    own.unlink()
    assert program() == "jobqueue"
