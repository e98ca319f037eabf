"""What the Makefile prints while pip installs, and what becomes of pip's exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SAYS = """#!/bin/sh
echo 'Obtaining file:///x'
echo "  Installing build dependencies: started"
echo "  Installing build dependencies: finished with status done"
echo 'Collecting celery<6,>=5.7 (from jobqueue==0.1.0)'
echo '  Obtaining dependency information for celery<6,>=5.7 from https://x'
echo 'Collecting kombu[redis]<6,>=5.7'
echo 'Requirement already satisfied: click in /x'
echo 'Installing collected packages: a, b, c'
exit CODE
"""


def make(tmp_path: Path, code: int) -> subprocess.CompletedProcess[str]:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(_SAYS.replace("CODE", str(code)))
    python.chmod(0o755)
    argv = ["make", "--no-print-directory", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/.installed-all"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_line_for_each_package(tmp_path: Path) -> None:
    done = make(tmp_path, 0)
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        f"installing jobqueue[all] into {tmp_path}/venv",
        "  preparing to build jobqueue",
        "  package celery",
        "  package kombu",
        "  installing 3 packages",
    ]
    assert (tmp_path / "venv" / ".installed").is_file()


@pytest.mark.parametrize("code", [1, 2])
def test_a_pip_that_fails_fails_the_target(tmp_path: Path, code: int) -> None:
    assert make(tmp_path, code).returncode == 2
    assert not (tmp_path / "venv" / ".installed-all").exists()
