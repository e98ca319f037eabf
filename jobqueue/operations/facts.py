"""Host facts: collected once for the registration, and looked up for ``@fact.X`` in data (``references.py``)."""

from __future__ import annotations

import difflib
import os
import platform
import re
import shutil
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from jobqueue.errors import OperationFailed
from jobqueue.operations.builtin.host import disks, os_release
from jobqueue.operations.interfaces import network_addresses
from jobqueue.operations.system_facts import system_facts
from jobqueue.operations.text import brief, clean

_FQDN_SECONDS = 2.0
_PACKAGE_MANAGERS = ("apt", "dnf", "yum", "zypper", "apk", "pacman", "brew")
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_CONTAINER_GROUPS = re.compile(r"docker|kubepods|containerd|libpod|/lxc/")


def collect(hostname: str | None = None) -> dict[str, Any]:
    """The host's facts as JSON. ``hostname`` is the agent's name; without it, the machine's. Sizes are in bytes.

    Takes up to two seconds where the name service does not answer.
    """
    interface, address = _primary()
    addresses = network_addresses()
    return {
        "hostname": hostname or clean(socket.gethostname()),
        "fqdn": _fqdn(),
        "os": os_release(),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "cpus": psutil.cpu_count() or 1,
        "memory": {"total": psutil.virtual_memory().total, "swap": psutil.swap_memory().total},
        "disks": [{key: disk[key] for key in ("device", "mountpoint", "fstype", "total")} for disk in disks()],
        "addresses": [address for name in sorted(addresses) if name != "lo" for address in addresses[name]],
        "interfaces": sorted(addresses),
        "interface": {"primary": interface},
        "address": {"primary": address},
        "containerized": _is_containerized(),
        "service_mgr": _service_manager(),
        "package_mgr": next((name for name in _PACKAGE_MANAGERS if shutil.which(name)), ""),
        "python": platform.python_version(),
        **system_facts(),
    }


def lookup(facts: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The flat names of ``@fact.X``: ``{"os": {...}, "os.name": ..., "label.group": ...}``."""
    values: dict[str, Any] = {}
    _flatten(facts, "", values)
    values.update({f"label.{key}": value for key, value in (labels or {}).items()})
    return values


def fact(name: str, facts: Mapping[str, Any]) -> Any:
    """The value of a fact by its flat name. Raises ``OperationFailed`` that names similar ones."""
    if name in facts:
        return facts[name]
    near = difflib.get_close_matches(name, facts, n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise OperationFailed(
        f"This host has no fact {brief(repr(name), 100)}.{hint} For the text itself, write @@fact.{brief(name, 100)}."
    )


def _flatten(value: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, inner in value.items():
        flat[f"{prefix}{key}"] = inner
        if isinstance(inner, Mapping):
            _flatten(inner, f"{prefix}{key}.", flat)


def _fqdn() -> str:
    """The full name, or the short one when the name service takes too long."""
    names = [socket.gethostname()]
    # a look-up cannot be given a timeout, so it runs aside; a late answer is dropped
    thread = threading.Thread(target=lambda: names.append(socket.getfqdn()), daemon=True, name="fqdn")
    thread.start()
    thread.join(_FQDN_SECONDS)
    return clean(names[-1])


def _primary() -> tuple[str, str]:
    """Interface and address that the default route uses; empty texts without one."""
    addresses = network_addresses()
    # connecting a datagram socket sends nothing: the kernel only picks the route (both are documentation addresses)
    for family, remote in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((remote, 9))
                address = str(probe.getsockname()[0])
        except OSError:
            continue  # no route in this family
        for name, own in addresses.items():
            if address in own:
                return name, address
    return next(
        ((name, own[0]) for name, own in sorted(addresses.items()) if name != "lo" and own),
        ("", ""),
    )


def _is_containerized() -> bool:
    if "container" in os.environ or any(Path(name).exists() for name in _CONTAINER_FILES):
        return True
    try:
        return bool(_CONTAINER_GROUPS.search(Path("/proc/1/cgroup").read_text(errors="replace")))
    except OSError:  # not Linux, or hidden from this user
        return False


def _service_manager() -> str:
    if Path("/run/systemd/system").is_dir():
        return "systemd"
    try:
        return clean(psutil.Process(1).name())
    except psutil.Error:
        return ""
