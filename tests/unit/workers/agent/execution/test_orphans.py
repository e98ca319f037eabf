"""What a killed agent has left is ended by the next one; what was left on purpose is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobqueue.operations.context import Context
from tests.acceptance.support.until import until
from tests.alive import is_running
from workers.agent.execution.orphans import Orphans

ROOT = Path(__file__).resolve().parents[5]
#: A process that leaves its group, one that stays, and their pids.
FAMILY = "setsid sleep 600 & echo $! >> {pids}; sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait"
AGENT = """
from pathlib import Path
from jobqueue import Context
from workers.agent.execution.orphans import Orphans
Context("web1", watched=Orphans(Path({folder!r})).watched).run(["sh", "-c", {script!r}])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "web1.runs"


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """The file with the ids of the processes that a test has started; they end with it."""
    yield tmp_path / "pids"
    for pid in numbers(tmp_path / "pids"):
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def agent(folder: Path, pids: Path) -> subprocess.Popen[bytes]:
    """An agent that runs a family of three."""
    script = AGENT.format(folder=str(folder), script=FAMILY.format(pids=pids))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    until(lambda: len(numbers(pids)) == 3, "they run")
    return process


def test_what_a_killed_agent_has_left_is_ended(folder: Path, pids: Path) -> None:
    with agent(folder, pids) as first:
        first.kill()
    assert all(map(is_running, numbers(pids)))
    assert Orphans(folder).end() == 3
    assert not any(map(is_running, numbers(pids)))
    assert list(folder.iterdir()) == []
    assert Orphans(folder).end() == 0


def test_an_agent_that_lives_keeps_its_runs(folder: Path, pids: Path) -> None:
    """A new agent of the same host may come before the old one has finished its work."""
    with agent(folder, pids) as first:
        assert Orphans(folder).end() == 0
        assert all(map(is_running, numbers(pids)))
        first.kill()
        first.wait()
        assert Orphans(folder).end() == 3


def test_what_a_finished_run_left_on_purpose_is_let_alone(folder: Path, pids: Path) -> None:
    script = f"setsid sleep 600 > /dev/null 2>&1 & echo $! >> {pids}"
    Context("web1", watched=Orphans(folder).watched).run(["sh", "-c", script])
    assert list(folder.iterdir()) == []
    assert Orphans(folder).end() == 0
    assert is_running(*numbers(pids))


def test_no_other_process_is_touched(folder: Path, pids: Path) -> None:
    """Nor is one that got the number of the agent that is gone mistaken for it."""
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef").write_text(f"{os.getpid()} {psutil.Process().create_time() - psutil.boot_time() - 1}")
    (folder / "broken").write_text("?")
    with subprocess.Popen(["sleep", "600"]) as other:
        pids.write_text(f"{other.pid}\n")
        assert Orphans(folder).end() == 0
        assert is_running(other.pid)
        other.kill()
    assert list(folder.iterdir()) == []


def test_who_lives_is_known_also_after_the_clock_was_set(
    folder: Path, pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot_time = psutil.boot_time()
    with agent(folder, pids) as living:
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot_time + 3600)
        assert psutil.boot_time() == boot_time + 3600
        assert Orphans(folder).end() == 0
        assert all(map(is_running, numbers(pids)))
        living.kill()


def test_a_folder_that_cannot_be_written_stops_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    result = Context("web1", watched=Orphans(tmp_path / "file" / "runs").watched).run(["true"])
    assert result.exit_code == 0
    assert "will keep running" in caplog.text
