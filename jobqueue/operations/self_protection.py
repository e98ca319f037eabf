"""Self-protection of an agent: no job may remove its user or group, signal its processes or stop its systemd unit."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.ansible.boolean import boolean

_CGROUP = Path("/proc/self/cgroup")
_SERVICE_MODULES = frozenset({"service", "systemd", "systemd_service", "sysvinit"})


def protect_from_module(module: str, arguments: Mapping[str, Any]) -> None:
    """Raise ``OperationFailed`` if a module of ansible-core would remove or stop a part of the agent."""
    is_removed = arguments.get("state") == "absent"
    aliases: tuple[str, ...]
    if module == "user" and (is_removed or boolean(arguments.get("password_lock"))):
        check, aliases = protect_user, ("name", "user")
    elif module == "group" and is_removed:
        check, aliases = protect_group, ("name",)
    elif module in _SERVICE_MODULES and _is_stopped(arguments):
        check, aliases = protect_unit, ("name", "service", "unit")
    else:
        return
    for alias in aliases:  # with several of them, the last one that the module knows counts
        check(str(arguments.get(alias, "")))


def _is_stopped(arguments: Mapping[str, Any]) -> bool:
    """Whether these arguments of a module for services stop, restart, disable or mask one."""
    if arguments.get("state") in ("stopped", "restarted"):
        return True
    return boolean(arguments.get("enabled")) is False or boolean(arguments.get("masked")) is True


def protect_user(name: str) -> None:
    """Raise ``OperationFailed`` for root and the user of this process."""
    with contextlib.suppress(KeyError):
        if pwd.getpwnam(name).pw_uid in (0, os.getuid(), os.geteuid()):
            raise OperationFailed(f"The user {name} is the agent's own or root; it was left unchanged.")


def protect_group(name: str) -> None:
    """Raise ``OperationFailed`` for the group of root and the groups of this process."""
    with contextlib.suppress(KeyError):
        if grp.getgrnam(name).gr_gid in (0, os.getgid(), os.getegid()):
            raise OperationFailed(f"The group {name} is the agent's own or root's; it was left unchanged.")


def protect_unit(name: str, refused: str = "stop, restart or disable it") -> None:
    """Raise ``OperationFailed`` for the systemd unit that runs this process; ``refused``: what a job cannot do."""
    unit = own_unit()
    if unit is not None and name.removesuffix(".service") == unit.removesuffix(".service"):
        raise OperationFailed(f"The unit {unit} runs this agent; a job cannot {refused}.")


def protect_process(pid: int) -> None:
    """Raise ``OperationFailed`` for process 1, this process and those that started it."""
    import psutil

    own = {1, os.getpid()}
    with contextlib.suppress(psutil.Error):
        own.update(parent.pid for parent in psutil.Process().parents())
    if pid in own:
        raise OperationFailed(f"Process {pid} is the agent, one of its parents or process 1; it got no signal.")


def own_unit() -> str | None:
    """The systemd service that this process belongs to; None outside of one."""
    try:
        lines = _CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux, or no /proc
        return None
    parts = (part for line in lines for part in reversed(line.split("/")))
    return next((part for part in parts if part.endswith(".service")), None)
