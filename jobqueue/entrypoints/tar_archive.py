"""Compressed tar files."""

from __future__ import annotations

import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, cast

from jobqueue.entrypoints.unpacking import Unpacking, UnpackingLimits, brief_reason, pieces
from jobqueue.errors import OperationFailed

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
_BLOCK_BYTES = tarfile.BLOCKSIZE
#: Real headers are shorter; tarfile would read a longer one into memory as a whole.
_LONGEST_READ = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
#: Memory limit of xz; its highest level needs half of it.
_XZ_MEMORY_BYTES = 128 * 1024 * 1024
#: Bytes of headers and padding for each entry that do not count as content.
_FRAME_BYTES = 4096
_BROKEN = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
    RecursionError,
    MemoryError,
    OSError,  # from reading: errors from writing are handled before
)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Stream:
    """The decompressed bytes, read forwards once, counted, and never many at a time.

    tarfile seeks back by at most one block, so a little of the data is kept.
    """

    def __init__(self, raw: _Readable, room: int, check: Callable[[], None]) -> None:
        self._raw = raw
        self._room = room
        self._check = check
        self._window = b""
        self._start = 0  # where the window starts in the whole
        self._at = 0
        #: The last block that was read as a whole: a header, or data in its place.
        self.last_block = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise OperationFailed("The archive is broken: it has a header of more than a megabyte.")
        while self._end < self._at + size and self._fill():
            pass
        first = self._at - self._start
        chunk = self._window[first : first + size]
        self._at += len(chunk)
        if size == _BLOCK_BYTES:
            self.last_block = chunk
        return chunk

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> int:
        if offset < self._start:
            raise OperationFailed("The archive is broken: its headers point backwards.")
        while self._end < offset and self._fill():
            self._at = self._end  # skipped data need not be kept
        self._at = min(offset, self._end)
        return self._at

    def drain(self) -> None:
        """Read to the end, where checksums are verified."""
        while self._fill():
            self._at = self._end

    @property
    def _end(self) -> int:
        return self._start + len(self._window)

    def _fill(self) -> bool:
        """Decompress some more; returns whether there was any."""
        self._check()
        chunk = self._raw.read(_CHUNK_BYTES)
        keep = max(0, self._at - self._start - 2 * _BLOCK_BYTES)
        self._window = self._window[keep:] + chunk
        self._start += keep
        if self._end > self._room:
            raise OperationFailed(f"The archive becomes too large: more than {self._room} bytes.")
        return bool(chunk)


def unpack_tar(archive: Path, target: Path, limits: UnpackingLimits, check: Callable[[], None]) -> None:
    """Unpack ``archive`` into the empty folder ``target``; raises ``OperationFailed`` and what ``check`` raises."""
    size = archive.stat().st_size
    unpacking = Unpacking(target, limits, size, check)
    try:
        with archive.open("rb") as file:
            stream = _Stream(_decompressed(file), limits.within(size) + _FRAME_BYTES * limits.entries, check)
            with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tar:
                for member in tar:
                    _unpack_member(tar, member, unpacking)
            if any(stream.last_block):  # tarfile takes garbage between files for the end
                raise OperationFailed("The archive is broken: unexpected data between its files.")
            stream.drain()
    except _BROKEN as error:
        raise OperationFailed(f"The archive is broken: {brief_reason(error)}.") from error
    unpacking.finish()


class _Xz:
    """Decompresses xz with bounded memory, which ``lzma.LZMAFile`` does not."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._part = self._new()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, b"" at the end; raises ``EOFError`` where the file was cut off."""
        while True:
            if self._part.eof:
                data = self._part.unused_data.lstrip(b"\0") or self._file.read(_CHUNK_BYTES).lstrip(b"\0")
                if not data:
                    return b""
                self._part = self._new()  # several streams make one file
            elif self._part.needs_input:
                data = self._file.read(_CHUNK_BYTES)
                if not data:
                    raise EOFError("it ends in the middle")
            else:
                data = b""
            chunk = self._part.decompress(data, size)
            if chunk:
                return chunk

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


def _decompressed(file: IO[bytes]) -> _Readable:
    is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    return gzip.GzipFile(fileobj=file, mode="rb") if is_gzip else _Xz(file)


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, unpacking: Unpacking) -> None:
    if member.isdir():
        unpacking.folder(member.name)
    elif member.issym():
        unpacking.symbolic_link(member.name, member.linkname)
    elif member.islnk():
        unpacking.hard_link(member.name, member.linkname)
    elif member.isreg() and not member.issparse():
        data = archive.extractfile(member)
        if data is None:
            raise OperationFailed(f"The archive contains {member.name[:200]!r} without its content.")
        with data:
            unpacking.file(member.name, member.mode, pieces(data.read))
    else:
        raise OperationFailed(f"The archive contains {member.name[:200]!r}, which is neither file, folder nor link.")
