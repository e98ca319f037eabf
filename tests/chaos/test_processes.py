"""A process that fails a test must not be there, nor be a zombie, when the next one begins."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tests.acceptance.support.processes import Process
from tests.acceptance.support.until import until


def test_what_does_not_end_is_killed_and_reaped(tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    process = Process("deaf", ["sh", "-c", deaf], dict(os.environ), tmp_path)
    until(lambda: "ready" in process.log(), "it hears no SIGTERM")
    with pytest.raises(AssertionError, match=r"deaf did not end within 0\.2 s"):
        process.stop(0.2)
    assert not psutil.pid_exists(process.pid)
