"""The line below pytest's summary, in a run of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.closing import BROWSER

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_last_line_says_what_was_left_out(tmp_path: Path, workers: str) -> None:
    tests = tmp_path / "test_some.py"
    tests.write_text(
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\n"
        f"def test_a(n): pytest.skip('no chromium ({BROWSER})')\n"
        "def test_b(): pytest.skip('other')\ndef test_c(): pass\n"
    )
    lines = run(tests, workers)
    assert "1 passed, 3 skipped" in lines[-2]
    assert lines[-1] == f"2 tests of the dashboard did not run: there is no browser. On Debian and Ubuntu: {BROWSER}"


def test_nothing_is_said_if_none_was(tmp_path: Path) -> None:
    tests = tmp_path / "test_some.py"
    tests.write_text("import pytest\ndef test_b(): pytest.skip('other')\ndef test_c(): pass\n")
    assert "1 passed, 1 skipped" in run(tests, "0")[-1]


def run(tests: Path, workers: str) -> list[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.closing", "-n", workers, f"--rootdir={tests.parent}"]
    done = subprocess.run([*argv, "-c", "/dev/null", str(tests)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    return done.stdout.splitlines()
