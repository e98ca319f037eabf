"""The unit of a joined host, and how systemd is asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from jobqueue.errors import JobQueueError
from workers.joining.agent_paths import AgentPaths
from workers.joining.systemd import UNIT, Systemd, agent_command, unit_text

ROOT = Path(__file__).parents[4]


@pytest.fixture
def places(tmp_path: Path) -> AgentPaths:
    found = AgentPaths(True, tmp_path / "config", tmp_path / "state", tmp_path / "units")
    found.prepare()
    return found


def parsed(text: str) -> RawConfigParser:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    return unit


def test_it_says_the_same_as_the_unit_in_deploy(places: AgentPaths) -> None:
    made = parsed(unit_text(places))
    by_hand = parsed((ROOT / "deploy/systemd/jobqueue-agent.service").read_text())
    for name in ("Type", "Restart", "RestartSec", "KillMode", "TimeoutStopSec", "UMask", "LimitNOFILE"):
        assert made["Service"][name] == by_hand["Service"][name], name


def test_its_command_runs_the_agent_with_the_settings(places: AgentPaths) -> None:
    assert agent_command(places)[:4] == [sys.executable, "-P", "-m", "jobqueue"]
    line = parsed(unit_text(places))["Service"]["ExecStart"]
    assert line == " ".join(f'"{word}"' for word in agent_command(places))


def test_what_systemd_would_expand_is_escaped(tmp_path: Path) -> None:
    places = AgentPaths(True, tmp_path / "100% $HOME", tmp_path, tmp_path)
    assert '100%% $$HOME/agent.env"' in unit_text(places)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_it(places: AgentPaths, tmp_path: Path) -> None:
    path = tmp_path / UNIT
    path.write_text(unit_text(places))
    argv = ["systemd-analyze", "verify", "--man=no", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert str(path) not in done.stderr + done.stdout, done.stderr


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of systemctl, and the file in which it writes its arguments."""
    log, program = tmp_path / "calls", tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in *fail*) echo broken >&2; exit 1;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return log


def test_it_is_installed_and_started(places: AgentPaths, calls: Path) -> None:
    systemd = Systemd(places)
    assert systemd.install().read_text() == unit_text(places)
    systemd.install()  # once more changes nothing
    systemd.start()
    words = ["daemon-reload", "daemon-reload", f"enable {UNIT}", f"restart {UNIT}"]
    assert calls.read_text().splitlines() == [f"--user {word}" for word in words]


@pytest.mark.usefixtures("calls")
def test_a_unit_of_an_administrator_is_kept(places: AgentPaths) -> None:
    places.unit_dir.mkdir()
    (places.unit_dir / UNIT).write_text("[Service]\nExecStart=/opt/other\n")
    with pytest.raises(JobQueueError, match="was not written by this command"):
        Systemd(places).install()
    assert "/opt/other" in (places.unit_dir / UNIT).read_text()


@pytest.mark.usefixtures("calls")
def test_its_refusal_is_passed_on(places: AgentPaths) -> None:
    with pytest.raises(JobQueueError, match="broken"):
        Systemd(places)._run(["fail"])
