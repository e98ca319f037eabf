"""Where a joined host's agent keeps its files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobqueue.errors import JobQueueError
from workers.joining.agent_paths import AgentPaths


def test_of_a_user() -> None:
    found = AgentPaths.of_user({"HOME": "/home/alice"})
    assert found.settings_file == Path("/home/alice/.config/jobqueue/agent.env")
    assert found.state_dir == Path("/home/alice/.local/state/jobqueue-agent")
    assert found.unit_dir == Path("/home/alice/.config/systemd/user")


def test_of_a_user_with_directories_of_the_xdg_specification() -> None:
    environ = {"HOME": "/home/alice", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "relative"}
    found = AgentPaths.of_user(environ)
    assert found.config_dir == Path("/c/jobqueue")
    assert found.state_dir == Path("/home/alice/.local/state/jobqueue-agent")


def test_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = AgentPaths.of_system()
    assert found.settings_file == Path("/etc/jobqueue/agent.env")
    assert found.state_dir == Path("/var/lib/jobqueue-agent")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(JobQueueError, match="needs root"):
        AgentPaths.of_system()


def test_a_directory_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = AgentPaths(True, tmp_path / "c", tmp_path / "s", tmp_path / "u")
    places.prepare()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(JobQueueError, match="belongs to another user"):
        places.prepare()
