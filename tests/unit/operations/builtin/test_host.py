"""The host's load, memory, disks and conditions."""

from __future__ import annotations

import platform
from types import SimpleNamespace

import pytest

from jobqueue.operations.builtin import host


@pytest.mark.parametrize(
    ("memory", "load", "disk", "expected"),
    [
        (90.0, 8.0, 90.0, ()),
        (90.1, 8.0, 90.0, ("MemoryPressure",)),
        (90.0, 8.1, 90.0, ("HighLoad",)),
        (90.0, 8.0, 90.1, ("DiskPressure",)),
        (99.0, 99.0, 99.0, ("MemoryPressure", "HighLoad", "DiskPressure")),
    ],
)
def test_conditions(
    monkeypatch: pytest.MonkeyPatch, memory: float, load: float, disk: float, expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(host.psutil, "virtual_memory", lambda: SimpleNamespace(percent=memory))
    monkeypatch.setattr(host.psutil, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(host.psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(host, "disks", lambda: [{"percent": 1.0}, {"percent": disk}])
    assert host.conditions() == expected


def _part(device: str, mountpoint: str, fstype: str = "ext4", opts: str = "rw") -> SimpleNamespace:
    return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype, opts=opts)


def test_disks_are_the_real_ones_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        _part("/dev/a", "/etc/hosts"),
        _part("/dev/a", "/etc/resolv.conf"),
        _part("/dev/loop0", "/snap/x", "squashfs", "ro"),
        _part("/dev/cd", "/media/cd", "iso9660"),
        _part("/dev/b", "/read/only", opts="ro,noatime"),
        _part("/dev/gone", "/gone"),
        _part("/dev/c", "/data\udcff"),
    ]

    def usage(path: str) -> SimpleNamespace:
        if path == "/gone":
            raise FileNotFoundError(path)
        return SimpleNamespace(total=10, used=4, free=6, percent=40.0)

    monkeypatch.setattr(host.psutil, "disk_partitions", lambda all: parts)
    monkeypatch.setattr(host.psutil, "disk_usage", usage)
    found = host.disks()
    assert [disk["mountpoint"] for disk in found] == ["/", "/etc/hosts", "/data\ufffd"]
    assert found[0] == {
        "device": "rootfs", "mountpoint": "/", "fstype": "", "total": 10, "used": 4, "free": 6, "percent": 40.0,
    }  # fmt: skip


def test_load_and_memory_fit_the_heartbeat() -> None:
    assert len(host.load()) == 3
    assert set(host.memory()) == {"total", "available", "percent"}


def test_a_system_without_a_release_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OSError("no such file")

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert host.os_release()["distribution"] == platform.system().lower()


def test_a_derived_distribution_names_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    release = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04", "NAME": "Ubuntu", "PRETTY_NAME": "Ubuntu 24"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    found = host.os_release()
    assert (found["family"], found["distribution"], found["version"]) == ("debian", "ubuntu", "24.04")
    assert found["name"] == "Ubuntu 24"


def test_ids_without_names_are_shown_as_numbers() -> None:
    assert host.user_and_group(54321, 54322) == ("54321", "54322")
    assert host.user_and_group(0, 0) == ("root", "root")
