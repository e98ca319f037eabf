"""A directory of installed plugins: the example package by pip, and the tests' own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.acceptance.support.stack import ROOT, clean_environ

_EXAMPLE = ROOT / "examples" / "jobqueue-example"
_OWN = Path(__file__).parent
_METADATA = "Metadata-Version: 2.1\nName: acceptance-operations\nVersion: 1.0\n"
_ENTRY_POINTS = "[jobqueue.operations]\nacceptance = acceptance_operations\n"


def install_example(directory: Path) -> None:
    """Build and install the example package as a user does, into a directory of its own."""
    # a copy: building leaves files beside the sources
    source = directory.parent / f"{directory.name}-source"
    shutil.copytree(_EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    environ = clean_environ()
    del environ["PYTHONPATH"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(directory),
        str(source),
    ]
    done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr


def install_own(directory: Path) -> None:
    """Put the tests' plugin, with its entry point, and the module for `python.call` beside it."""
    information = directory / "acceptance_operations-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(_METADATA)
    (information / "entry_points.txt").write_text(_ENTRY_POINTS)
    for name in ("acceptance_operations.py", "acceptance_calls.py"):
        shutil.copy(_OWN / name, directory / name)
