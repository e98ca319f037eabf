"""Operations of users that run in a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobqueue import Context, operation
from jobqueue.errors import OperationFailed, OperationNotSupported, OperationTimedOut
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
from tests.acceptance.support.until import until
from tests.alive import is_running
from tests.unit.operations import child_operations

ROOT = Path(__file__).parents[4]


def test_it_runs_elsewhere_with_the_context_of_here() -> None:
    seen: list[bytes] = []
    context = Context("web1", facts={"a": "b"}, output=lambda stream, chunk: seen.append(chunk))
    outcome = run_operation(child_operations.double, {"number": 21}, context)
    assert outcome.changed is False
    assert outcome.data.pop("pid") != os.getpid()
    assert outcome.data == {"double": 42, "fact": "b", "host": "web1"}
    assert b"".join(seen) == b"doubling\n"


def test_bad_data_starts_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.operations.runner.run_isolated", None)
    with pytest.raises(OperationFailed, match="number: Not a valid integer") as caught:
        run_operation(child_operations.double, {"number": "x"}, Context("web1"))
    assert caught.value.details == {"number": ["Not a valid integer."]}


def test_it_is_killed_at_the_deadline() -> None:
    started = time.monotonic()
    context = Context("web1", deadline=started + 0.2, timeout_seconds=0.2)
    with pytest.raises(OperationTimedOut, match="timed out after 200ms"):
        run_operation(child_operations.isolated_nap, {}, context)
    assert time.monotonic() - started < 20


def test_its_own_errors_come_back_as_they_are() -> None:
    with pytest.raises(OperationFailed, match=r"^the disk is full$"):
        run_operation(child_operations.isolated_fail, {}, Context("web1"))
    with pytest.raises(OperationNotSupported, match=r"^no such package manager$"):
        run_operation(child_operations.isolated_skip, {}, Context("web1"))


def test_it_reports_its_run(tmp_path: Path) -> None:
    seen: list[Mapping[str, Any]] = []
    settings = Settings(state_dir=tmp_path, token="secret")
    with pytest.raises(OperationFailed, match="no room") as caught:
        run_operation(child_operations.telling, {}, Context("web1", report=seen.append, settings=settings))
    assert seen == [{"phase": "reading"}, {"phase": "writing", "data_dir": str(tmp_path / "data"), "token": None}]
    assert caught.value.details == {"error_type": "DISK", "free": 0}


def test_it_ends_with_its_agent(tmp_path: Path) -> None:
    """Killed, an agent cannot end what it started; and another agent may run the same again."""
    script = (
        "from tests.unit.operations import child_operations\n"
        "from jobqueue import Context\n"
        "from jobqueue.operations.runner import run_operation\n"
        f"run_operation(child_operations.endless, {{'file': {str(tmp_path / 'pid')!r}}}, Context('web1'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) as agent:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the child runs")
        child = psutil.Process(int((tmp_path / "pid").read_text()))
        agent.kill()
    until(lambda: not is_running(child), "the child has ended")


def test_it_must_be_found_again_by_the_child() -> None:
    with pytest.raises(ValueError, match="must be defined at the top level"):

        @operation("test.local.do", isolated=True)
        def local(data: dict[str, Any], context: Context) -> None: ...
