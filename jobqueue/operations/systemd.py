"""The services of systemd, as ``systemctl`` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.context import Context
from jobqueue.operations.tool import run_tool

#: Exists if systemd is the init system, as sd_booted(3) tests it.
_RUNNING = Path("/run/systemd/system")
_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,Description,MainPID"


def require_systemd() -> None:
    """Raise ``OperationNotSupported`` on a host that systemd does not run, such as most containers."""
    if not _RUNNING.is_dir():
        raise OperationNotSupported("systemd does not run on this host, as in most containers.")


def unit_name(name: str) -> str:
    """The full name of a service."""
    return name if name.endswith(".service") else f"{name}.service"


def services(context: Context, pattern: str = "*.service") -> list[dict[str, Any]]:
    """Loaded services whose unit is ``pattern``: name, status, enabled, description, pid. Sorted by name."""
    argv = ["systemctl", "show", "--all", "--no-pager", f"--property={_PROPERTIES}", "--", pattern]
    units = _units(run_tool(argv, context))
    loaded = [_service(unit) for unit in units if unit.get("LoadState") != "not-found"]
    return sorted(loaded, key=lambda service: str(service["name"]))


def service(context: Context, name: str) -> dict[str, Any]:
    """One service. Raises ``OperationFailed`` for one that this host does not have."""
    matches = services(context, unit_name(name))
    if not matches:
        raise OperationFailed(f"This host has no service {name}.")
    return matches[0]


def _units(text: str) -> Iterator[Mapping[str, str]]:
    for block in text.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        if unit.get("Id"):
            yield unit


def _service(unit: Mapping[str, str]) -> dict[str, Any]:
    pid = int(unit.get("MainPID") or 0)
    return {
        "name": unit["Id"].removesuffix(".service"),
        "status": unit.get("ActiveState", "unknown"),
        "enabled": unit.get("UnitFileState", "").startswith("enabled"),
        "description": unit.get("Description", ""),
        "pid": pid or None,
    }
