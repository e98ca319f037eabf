"""No job can remove the agent's user or group, or stop its unit, under any name or alias that a module accepts."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations import self_protection
from jobqueue.operations.self_protection import protect_from_module, protect_process

OWN_USER = pwd.getpwuid(os.geteuid()).pw_name
OWN_GROUP = grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.write_text("0::/system.slice/jobqueue-agent.service\n")
    monkeypatch.setattr(self_protection, "_CGROUP", cgroup)


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    ("module", "arguments", "sentence"),
    [
        ("user", {"name": OWN_USER, "state": "absent"}, f"The user {OWN_USER} is the agent's own or root"),
        ("user", {"user": "root", "state": "absent"}, "The user root is"),
        ("user", {"name": OWN_USER, "password_lock": True}, f"The user {OWN_USER} is"),
        ("group", {"name": OWN_GROUP, "state": "absent"}, f"The group {OWN_GROUP} is"),
        ("service", {"name": "jobqueue-agent", "state": "stopped"}, "The unit jobqueue-agent.service runs this agent"),
        ("systemd", {"name": "jobqueue-agent.service", "state": "restarted"}, "The unit"),
        ("systemd_service", {"unit": "jobqueue-agent", "enabled": "no"}, "The unit"),
        ("systemd", {"service": "jobqueue-agent", "masked": True}, "The unit"),
        # ansible-core takes an alias before the name
        ("user", {"name": "no-such-user", "user": "root", "state": "absent"}, "The user root is"),
        ("systemd", {"name": "nginx", "unit": "jobqueue-agent", "state": "stopped"}, "The unit"),
        ("sysvinit", {"name": "nginx", "service": "jobqueue-agent", "enabled": False}, "The unit"),
        # and has more spellings of booleans than YAML
        ("systemd", {"name": "jobqueue-agent", "enabled": "OFF"}, "The unit"),
        ("service", {"name": "jobqueue-agent", "enabled": "n"}, "The unit"),
        ("systemd", {"name": "jobqueue-agent", "enabled": " f "}, "The unit"),
    ],
)
def test_it_is_kept(module: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OperationFailed, match=sentence):
        protect_from_module(module, arguments)


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("user", {"name": "no-such-user", "state": "absent"}),
        ("user", {"name": OWN_USER, "shell": "/bin/sh"}),
        ("group", {"name": OWN_GROUP, "state": "present"}),
        ("service", {"name": "nginx", "state": "stopped"}),
        ("systemd", {"name": "jobqueue-agent", "state": "started", "enabled": True}),
        ("lineinfile", {"path": "/x", "state": "absent"}),
        ("user", {"name": OWN_USER, "password_lock": "No"}),
        ("systemd", {"name": "jobqueue-agent", "masked": "FALSE"}),
        ("systemd", {"name": "jobqueue-agent", "enabled": "Y", "masked": 0}),
    ],
)
def test_other_work_is_free(module: str, arguments: dict[str, Any]) -> None:
    protect_from_module(module, arguments)


@pytest.mark.parametrize(
    ("text", "unit_name"),
    [
        ("0::/system.slice/jobqueue-agent.service\n", "jobqueue-agent.service"),
        ("12:pids:/user.slice\n1:name=systemd:/system.slice/a@b.service\n", "a@b.service"),
        ("0::/user.slice/user-0.slice/session-1.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_the_own_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, unit_name: str | None) -> None:
    cgroup = tmp_path / "cgroup"
    cgroup.write_text(text)
    monkeypatch.setattr(self_protection, "_CGROUP", cgroup)
    assert self_protection.own_unit() == unit_name


def test_own_processes_get_no_signal() -> None:
    for pid in (1, os.getpid(), os.getppid()):
        with pytest.raises(OperationFailed, match=f"Process {pid} is the agent"):
            protect_process(pid)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        protect_process(child.pid)
    finally:
        child.kill()
        child.communicate()
