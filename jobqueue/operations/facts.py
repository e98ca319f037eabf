"""Host facts: collected once for the registration, and filled into data as ``@fact.X``."""

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

#: ``@fact.name`` or ``@fact.{name}``, the latter where text follows at once or the name has other characters.
#: One more ``@`` in front makes it plain text. Within a word, as in press@fact.org, it is plain text anyway.
_REFERENCE = re.compile(r"(?:(@)|(?<!\w))@fact\.(?:\{([^{}]{1,200})\}|([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*))")
_SIGN = "@fact."
_PLAIN = frozenset({int, float, bool, type(None)})
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


def has_reference(data: Any) -> bool:
    """Whether a string anywhere in ``data`` refers to a fact (or escapes such a reference)."""
    if isinstance(data, str):
        return _SIGN in data and bool(_REFERENCE.search(data))
    values = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    for value in values:  # most values are plain texts, and there may be tens of thousands
        if (_SIGN in value if type(value) is str else type(value) not in _PLAIN) and has_reference(value):
            return True
    return False


def resolve_facts(data: Any, facts: Mapping[str, Any]) -> Any:
    """``data`` with the facts filled in; keys stay as they are.

    A string that consists of a reference becomes the fact itself, of any type; inside other text, a text or
    a number is put in its place. ``@@fact.x`` gives the plain text ``@fact.x``; within a word, as in an address of
    e-mail, it is plain text. Values are not searched again.
    Raises ``OperationFailed`` for a fact that this host does not have, naming those with similar names.
    """
    if isinstance(data, str):
        return _resolve_text(data, facts) if _SIGN in data else data
    if isinstance(data, Mapping):
        return {key: resolve_facts(value, facts) for key, value in data.items()}
    return [resolve_facts(value, facts) for value in data] if isinstance(data, list) else data


def _resolve_text(text: str, facts: Mapping[str, Any]) -> Any:
    reference = _REFERENCE.fullmatch(text)
    if reference and not reference[1]:
        return _fact(reference[2] or reference[3], facts)

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        name = match[2] or match[3]
        value = _fact(name, facts)
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, (str, int, float)):
            raise OperationFailed(f"Fact {name!r} is not a single value and cannot be put inside a string.")
        return str(value)

    return _REFERENCE.sub(replace, text)


def _fact(name: str, facts: Mapping[str, Any]) -> Any:
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
