"""The package manager of a host: the module of ansible-core that drives it, and what it has installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import OperationNotSupported
from jobqueue.operations.builtin import host
from jobqueue.operations.context import Context
from jobqueue.operations.text import brief
from jobqueue.operations.tool import run_tool

_MOST_OUTPUT_BYTES = 16 * 1024 * 1024
#: Name, version, state, KiB, first line of the description.
_DPKG_FORMAT = "${binary:Package}\\t${Version}\\t${db:Status-Status}\\t${Installed-Size}\\t${binary:Summary}\\n"
_RPM_FORMAT = "%{NAME}\\t%{VERSION}-%{RELEASE}\\tinstalled\\t%{SIZE}\\t%{SUMMARY}\\n"
_APT_UPDATE = re.compile(r"^Inst (\S+) \[([^\]]+)\] \((\S+)", re.MULTILINE)
_DNF_UPDATE = re.compile(r"^(\S+)\.\w+\s+(\S+)\s+\S+$", re.MULTILINE)
_UPDATES_EXIST = 100


@dataclass(frozen=True)
class PackageManager:
    """``systems``: the IDs of os-release; ``program`` must be on the host. ``module`` installs and removes."""

    name: str
    systems: frozenset[str]
    program: str
    module: str
    upgrade: tuple[tuple[str, Any], ...]
    installed: Sequence[str] = ()
    size_unit: int = 1
    updates: Sequence[str] = ()
    #: How a version is written after a name.
    separator: str = "="

    def arguments_of_upgrade(self) -> dict[str, Any]:
        """The module's arguments that upgrade every package."""
        return dict(self.upgrade)

    def packages(self, context: Context) -> list[dict[str, Any]]:
        """Every installed package: name, version, description, status, size in bytes. Sorted by name."""
        if not self.installed:
            raise OperationNotSupported(f"jobqueue cannot list the packages of {self.name}.")
        rows = (line.split("\t", 4) for line in _printed(self.installed, context).splitlines())
        packages = [_package(row, self.size_unit) for row in rows if len(row) == 5 and row[2] == "installed"]
        return sorted(packages, key=lambda package: str(package["name"]))

    def available_updates(self, context: Context) -> list[dict[str, Any]]:
        """Packages with a newer version, as the manager's own lists of packages have it."""
        if not self.updates:
            raise OperationNotSupported(f"jobqueue cannot list the updates of {self.name}.")
        text = _printed(self.updates, context, success_codes=(0, _UPDATES_EXIST))
        if self.name == "apt":
            updates = ((name, old, new) for name, old, new in _APT_UPDATE.findall(text))
        else:
            current = {package["name"]: package["version"] for package in self.packages(context)}
            updates = ((name, current.get(name), new) for name, new in _DNF_UPDATE.findall(text))
        return [{"name": name, "current_version": old, "new_version": new} for name, old, new in sorted(updates)]


_REDHAT = frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "ol", "amzn"})
_RPM = ("rpm", "-qa", "--queryformat", _RPM_FORMAT)
_LATEST = (("name", "*"), ("state", "latest"))
_MANAGERS = (
    PackageManager(
        name="apt",
        systems=frozenset({"debian", "ubuntu"}),
        program="apt-get",
        module="apt",
        upgrade=(("upgrade", "dist"),),
        installed=("dpkg-query", "-W", "-f", _DPKG_FORMAT),
        size_unit=1024,
        updates=("apt-get", "--simulate", "-o", "Debug::NoLocking=1", "dist-upgrade"),
    ),
    PackageManager(
        "dnf5", _REDHAT, "dnf5", "dnf5", _LATEST, _RPM, updates=("dnf5", "-q", "check-upgrade"), separator="-"
    ),
    PackageManager("dnf", _REDHAT, "dnf", "dnf", _LATEST, _RPM, updates=("dnf", "-q", "check-update"), separator="-"),
    PackageManager("apk", frozenset({"alpine"}), "apk", "community.general.apk", (("upgrade", True),)),
    PackageManager(
        "zypper", frozenset({"suse", "opensuse", "sles"}), "zypper", "community.general.zypper", _LATEST, _RPM
    ),
)


def package_manager(which: Callable[[str], str | None] = shutil.which) -> PackageManager:
    """The manager of this host's system, also if others are installed. Raises ``OperationNotSupported``."""
    system = host.os_release()
    identities = {system["distribution"], system["family"]}
    for manager in _MANAGERS:
        if identities & manager.systems and which(manager.program):
            return manager
    known = ", ".join(manager.name for manager in _MANAGERS)
    raise OperationNotSupported(
        f"{brief(system['name'], 100)} has none of the package managers that jobqueue knows ({known})."
    )


def _package(row: Sequence[str], size_unit: int) -> dict[str, Any]:
    name, version, status, size, description = row
    return {
        "name": name,
        "version": version,
        "description": description,
        "status": status,
        "size": int(size) * size_unit if size.isdigit() else None,
    }


def _printed(argv: Sequence[str], context: Context, success_codes: Sequence[int] = (0,)) -> str:
    """The output of a tool, also if it is longer than that of a command may be."""
    wide = replace(context, max_output_bytes=max(context.max_output_bytes, _MOST_OUTPUT_BYTES))
    return run_tool(argv, wide, success_codes)
