"""Zip files, wheels among them."""

from __future__ import annotations

import mmap
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from jobqueue.entrypoints.unpacking import Unpacking, UnpackingLimits, brief_reason, pieces
from jobqueue.errors import OperationFailed

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_RECORD = re.compile(b"PK\x01\x02")
#: The last record: signature, 6 bytes, number of entries (or, if there are more of them, this), 10 bytes.
_END = struct.Struct("<4s6xH10x")
_SEE_ELSEWHERE = 0xFFFF
_UNIX = 3
_ENCRYPTED = 0x1
_MAX_LINK_BYTES = 4096
_BROKEN = (
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    IndexError,
    MemoryError,
    OSError,  # from reading: errors from writing are handled before
)


def unpack_zip(archive: Path, target: Path, limits: UnpackingLimits, check: Callable[[], None]) -> None:
    """Unpack ``archive`` into the empty folder ``target``; raises ``OperationFailed`` and what ``check`` raises."""
    unpacking = Unpacking(target, limits, archive.stat().st_size, check)
    _count_records(archive, limits)
    try:
        with zipfile.ZipFile(archive) as opened:
            _check_count(archive, opened)
            for member in opened.infolist():
                _unpack_member(opened, member, unpacking)
    except _BROKEN as error:
        raise OperationFailed(
            f"The archive is broken, or of a kind that is not supported: {brief_reason(error)}."
        ) from error
    unpacking.finish()


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, unpacking: Unpacking) -> None:
    name = member.orig_filename  # "filename" ends at a NUL, so two different names could appear equal
    mode = member.external_attr >> 16 if member.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if member.flag_bits & _ENCRYPTED:
        raise OperationFailed("The archive is encrypted.")
    if name.endswith("/") or kind == stat.S_IFDIR:
        if member.file_size:
            raise OperationFailed(f"The archive is broken: the folder {name[:200]!r} has content.")
        unpacking.folder(name)
    elif kind == stat.S_IFLNK:
        with archive.open(member) as data:
            unpacking.symbolic_link(name, data.read(_MAX_LINK_BYTES + 1).decode("utf-8", "surrogateescape"))
    elif kind in (0, stat.S_IFREG):
        with archive.open(member) as data:
            unpacking.file(name, stat.S_IMODE(mode) or 0o644, pieces(data.read))
    else:
        raise OperationFailed(f"The archive contains {name[:200]!r}, which is neither file, folder nor link.")


def _check_count(archive: Path, opened: zipfile.ZipFile) -> None:
    """Verify that the number of entries matches the archive's end record: a damaged archive may hide some."""
    with archive.open("rb") as file:
        file.seek(-_END.size - len(opened.comment), os.SEEK_END)
        signature, count = _END.unpack(file.read(_END.size))
    if signature != MAGIC[1]:
        raise OperationFailed("The archive is broken: unexpected data after its end.")
    if count not in (len(opened.infolist()), _SEE_ELSEWHERE):
        raise OperationFailed(f"The archive is broken: it should hold {count} entries.")


def _count_records(archive: Path, limits: UnpackingLimits) -> None:
    """Refuse an archive of very many entries before all of them are read into memory."""
    with archive.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                count = sum(1 for _ in islice(_RECORD.finditer(data), limits.entries + 1))
        except ValueError:  # an empty file cannot be mapped
            raise OperationFailed("The archive is empty.") from None
    if count > limits.entries:
        raise OperationFailed(f"The archive contains too many files: more than {limits.entries}.")
