"""A folder per run: private, gone afterwards, and gone too when its agent was killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from jobqueue.entrypoints import workspace as workspace_module
from jobqueue.entrypoints.removal import remove_tree
from jobqueue.entrypoints.workspace import open_workspace, sweep
from jobqueue.errors import OperationFailed
from tests.unit.entrypoints.waiting import until


def test_it_is_private_empty_and_removed(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "a" / "runs") as workspace:
        assert list(workspace.path.iterdir()) == []
        assert stat.S_IMODE(workspace.path.stat().st_mode) == 0o700
        (workspace.folder("x/y") / "file").write_text("1")
    assert list((tmp_path / "a" / "runs").iterdir()) == []


def test_it_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_workspace(tmp_path) as workspace:
        _ = 1 / 0
    assert not workspace.path.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_took_away_its_permissions(tmp_path: Path) -> None:
    with open_workspace(tmp_path) as workspace:
        inner = workspace.folder("a") / "b"
        inner.mkdir()
        (inner / "file").write_text("1")
        inner.chmod(0)
        inner.parent.chmod(0o500)
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("1")
    with open_workspace(tmp_path / "runs") as workspace:
        (workspace.path / "link").symlink_to(precious, target_is_directory=True)
    assert (precious / "file").read_text() == "1"
    (tmp_path / "other").symlink_to(precious, target_is_directory=True)
    remove_tree(tmp_path / "other")
    assert (precious / "file").read_text() == "1"


def test_a_deep_tree(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    code = "import os\nfor _ in range(100): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", code], cwd=top, check=True)
    assert remove_tree(top)
    assert not top.exists()


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "nothing")


def test_what_a_killed_agent_left_is_swept(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom jobqueue.entrypoints.workspace import open_workspace\n"
        "with open_workspace(Path(sys.argv[1])) as w:\n"
        "    (w.path / 'file').write_text('1'); print(w.path, flush=True); sys.stdin.read()\n"
    )
    runs = tmp_path / "runs"
    agent = subprocess.Popen([sys.executable, "-c", code, str(runs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert agent.stdin is not None
    assert agent.stdout is not None
    left = Path(agent.stdout.readline().decode().strip())
    assert left.is_dir()
    assert sweep(runs) == 0  # in use
    assert left.is_dir()
    agent.send_signal(signal.SIGKILL)
    agent.wait(60)
    agent.stdin.close()
    agent.stdout.close()
    until(lambda: sweep(runs) == 1, "the folder of the killed agent is removed")
    assert list(runs.iterdir()) == []


def test_a_process_that_outlives_its_agent_keeps_its_folder(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\nfrom pathlib import Path\n"
        "from jobqueue.entrypoints.workspace import open_workspace\n"
        "with open_workspace(Path(sys.argv[1])) as w:\n"
        "    subprocess.Popen(['sleep', '300'], pass_fds=[w.fd]); os.kill(os.getpid(), 9)\n"
    )
    runs = tmp_path / "runs"
    agent = subprocess.Popen([sys.executable, "-c", code, str(runs)], start_new_session=True)
    agent.wait(60)
    assert sweep(runs) == 0
    assert len(list(runs.iterdir())) == 2
    os.killpg(agent.pid, signal.SIGKILL)
    until(lambda: sweep(runs) == 1, "the folder is removed when the process is gone")


def test_opening_sweeps_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "_swept", {})
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead.lock").touch()
    with open_workspace(tmp_path):
        assert not (tmp_path / "dead").exists()
        (tmp_path / "dead").mkdir()
        (tmp_path / "dead.lock").touch()
        with open_workspace(tmp_path):
            assert (tmp_path / "dead").exists()  # a minute has not passed


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperationFailed, match="cannot be made"), open_workspace(tmp_path / "file" / "runs"):
        pytest.fail("it was made")
