"""Safely unpacks uploaded archives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from jobqueue.entrypoints import tar_archive, zip_archive
from jobqueue.entrypoints.unpacking import UnpackingLimits
from jobqueue.errors import OperationFailed

_LONGEST_MAGIC = 8
#: Folders of a wheel's ``*.data`` that belong beside its packages.
_WHEEL_ROOTS = ("purelib", "platlib")


def unpack(archive: Path, target: Path, limits: UnpackingLimits, check: Callable[[], None]) -> None:
    """Unpack a zip, tar.gz or tar.xz into ``target``, an empty folder that no other process touches meanwhile.

    The format is detected from the content. No entry can escape ``target``, devices and the like are refused, set-user
    bits are dropped, sizes are limited. Raises ``OperationFailed`` for archives that cannot be unpacked safely, and
    what ``check`` raises, which is called often. After an error, remove ``target``.
    """
    with archive.open("rb") as file:
        start = file.read(_LONGEST_MAGIC)
    if start.startswith(zip_archive.MAGIC):
        zip_archive.unpack_zip(archive, target, limits, check)
    elif start.startswith((tar_archive.GZIP_MAGIC, tar_archive.XZ_MAGIC)):
        tar_archive.unpack_tar(archive, target, limits, check)
    else:
        raise OperationFailed("Not an archive: expected zip, tar.gz or tar.xz.")


def unpack_wheel(archive: Path, target: Path, limits: UnpackingLimits, check: Callable[[], None]) -> None:
    """``unpack`` for a wheel: its packages are in ``target`` afterwards. Dependencies are not installed."""
    unpack(archive, target, limits, check)
    for root in sorted(target.glob("*.data/*")):
        if root.name not in _WHEEL_ROOTS or root.is_symlink() or not root.is_dir():
            continue
        for entry in root.iterdir():
            if (target / entry.name).exists():
                raise OperationFailed(f"The wheel contains {entry.name[:200]!r} twice.")
            shutil.move(entry, target / entry.name)
