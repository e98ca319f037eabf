"""The host's present state, as plain values. Sizes are in bytes, times in seconds."""

from __future__ import annotations

import os
import platform
import time
from typing import Any

import psutil

from jobqueue.model.timestamps import to_iso
from jobqueue.operations.text import clean

PRESSURE_PERCENT = 90.0
LOAD_PER_CPU = 2.0
#: File systems that are always full because nothing can be written to them.
_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})


def load() -> tuple[float, float, float]:
    """Load averages over 1, 5 and 15 minutes."""
    one, five, fifteen = psutil.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def memory() -> dict[str, Any]:
    """``total``, ``available`` and ``percent`` (in use)."""
    usage = psutil.virtual_memory()
    return {"total": usage.total, "available": usage.available, "percent": usage.percent}


def disks() -> list[dict[str, Any]]:
    """Local file systems that can be written to: device, mountpoint, fstype, total, used, free, percent."""
    by_mount: dict[str, dict[str, Any]] = {}
    mounts = [
        (part.device, part.mountpoint, part.fstype)
        for part in psutil.disk_partitions(all=False)
        if part.fstype not in _IMAGES and "ro" not in part.opts.split(",")
    ]
    if not any(mountpoint == "/" for _, mountpoint, _ in mounts):
        mounts.insert(0, ("rootfs", "/", ""))  # an overlay, as in containers, is not listed
    for device, mountpoint, fstype in mounts:
        if device in by_mount:
            continue  # the same file system mounted once more
        try:
            usage = psutil.disk_usage(mountpoint)
        except OSError:
            continue  # unmounted since, or not for this user to see
        by_mount[device] = {
            "device": clean(device),
            "mountpoint": clean(mountpoint),
            "fstype": fstype,
            "total": usage.total,
            "used": usage.used,
            "free": usage.free,
            "percent": usage.percent,
        }
    return list(by_mount.values())


def conditions() -> tuple[str, ...]:
    """The host's problems: MemoryPressure, HighLoad, DiskPressure."""
    checks = (
        ("MemoryPressure", psutil.virtual_memory().percent > PRESSURE_PERCENT),
        ("HighLoad", psutil.getloadavg()[0] > LOAD_PER_CPU * (psutil.cpu_count() or 1)),
        ("DiskPressure", any(disk["percent"] > PRESSURE_PERCENT for disk in disks())),
    )
    return tuple(name for name, holds in checks if holds)


def uptime() -> dict[str, Any]:
    """``seconds`` since the host booted, ``boot_time`` as a timestamp."""
    boot = psutil.boot_time()
    return {"seconds": max(0, int(time.time() - boot)), "boot_time": to_iso(int(boot) * 1_000_000)}


def os_release() -> dict[str, str]:
    """``system`` (linux, darwin), ``distribution``, ``family``, ``version``, ``name`` (for a person)."""
    system = platform.system().lower()
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # not Linux, or the file is missing
        return {
            "system": system,
            "distribution": system,
            "family": system,
            "version": platform.release(),
            "name": f"{platform.system()} {platform.release()}",
        }
    distribution = release["ID"]
    return {
        "system": system,
        "distribution": distribution,
        "family": (release.get("ID_LIKE") or distribution).split()[0],
        "version": release.get("VERSION_ID", ""),
        "name": release.get("PRETTY_NAME", release["NAME"]),
    }


def user_and_group(uid: int, gid: int) -> tuple[str, str]:
    """Names of ``uid`` and ``gid``; the number as text if it has no name."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return clean(user), clean(group)


def system_hostname() -> str:
    """The machine's own name."""
    return clean(os.uname().nodename)
