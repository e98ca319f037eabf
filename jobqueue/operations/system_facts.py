"""Facts of the machine below the system: processor, virtualization, clock, access control. No process runs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import psutil

from jobqueue.model.timestamps import to_iso
from jobqueue.operations.text import brief

_ROOT = Path("/")
_MOST_BYTES = 64 * 1024
_MOST_CHARACTERS = 200
_MODEL = re.compile(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", re.MULTILINE)
_HYPERVISOR_FLAG = re.compile(r"^flags\s*:.*\bhypervisor\b", re.MULTILINE)
_ZONE = re.compile(r"/zoneinfo/(?:posix/|right/)?(.+)$")
#: Words in the vendor or the product of a machine, and the hypervisor that they mean.
_HYPERVISORS = (
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("parallels", "parallels"),
    ("microsoft corporation virtual machine", "hyperv"),
    ("xen", "xen"),
    ("bhyve", "bhyve"),
    ("qemu", "kvm"),
    ("kvm", "kvm"),
    ("amazon ec2", "kvm"),
    ("google compute engine", "kvm"),
    ("openstack", "kvm"),
)


def system_facts() -> dict[str, Any]:
    """cpu, machine, virtualization, timezone, boot_time, selinux, apparmor. Unknown texts are empty."""
    cpuinfo = _read("proc/cpuinfo")
    machine = {
        "vendor": _line(_read("sys/class/dmi/id/sys_vendor")),
        "product": _line(_read("sys/class/dmi/id/product_name")),
    }
    model = _MODEL.search(cpuinfo)
    return {
        "cpu": {"model": _line(model[1]) if model else "", "cores": psutil.cpu_count(logical=False) or 0},
        "machine": machine,
        "virtualization": {"container": _container(), "hypervisor": _hypervisor(machine, cpuinfo)},
        "timezone": _timezone(),
        "boot_time": to_iso(int(psutil.boot_time()) * 1_000_000),
        "selinux": {"1": "enforcing", "0": "permissive"}.get(_line(_read("sys/fs/selinux/enforce")), "disabled"),
        "apparmor": "enabled" if _line(_read("sys/module/apparmor/parameters/enabled")) == "Y" else "disabled",
    }


def _container() -> str:
    """docker, podman, lxc, ...; empty outside of one."""
    if (_ROOT / ".dockerenv").exists():
        return "docker"
    if (_ROOT / "run/.containerenv").exists():
        return "podman"
    return _line(_read("run/systemd/container") or os.environ.get("container", ""))  # noqa: SIM112 (its name)


def _hypervisor(machine: dict[str, str], cpuinfo: str) -> str:
    """kvm, vmware, ...; "other" for one that is not known, empty without one."""
    name = f"{machine['vendor']} {machine['product']}".lower()
    known = next((hypervisor for words, hypervisor in _HYPERVISORS if words in name), "")
    return known or ("other" if _HYPERVISOR_FLAG.search(cpuinfo) else "")


def _timezone() -> str:
    try:
        zone = _ZONE.search(str((_ROOT / "etc/localtime").readlink()))
    except OSError:  # no link: a copy, or nothing, which is UTC
        return _line(_read("etc/timezone")) or "UTC"
    return _line(zone[1]) if zone else ""


def _read(path: str) -> str:
    """The beginning of a file of the kernel; empty if it is not there, or not for this user."""
    try:
        with (_ROOT / path).open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return ""


def _line(text: str) -> str:
    return brief(text.strip(), _MOST_CHARACTERS)
