"""Writes an archive's members: inside one folder, within limits, without overwriting."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobqueue import excerpt
from jobqueue.errors import OperationFailed

_CHUNK_BYTES = 256 * 1024
_MAX_NAME_BYTES = 4096
_MAX_TARGET_BYTES = 4096
_PERMISSIONS = 0o755
_OWNER = stat.S_IRUSR | stat.S_IWUSR
_DRIVE = re.compile(r"[A-Za-z]:/")
#: Errors of a name or of the disk rather than of the agent.
_UNFIT = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


@dataclass(frozen=True)
class UnpackingLimits:
    """Limits for one archive: ``size`` bytes in ``entries`` files, folders and links.

    It may also not grow beyond ``ratio`` times its own size, but ``free`` bytes are always allowed.
    """

    size: int
    entries: int = 100_000
    ratio: int = 200
    free: int = 16 * 1024 * 1024

    def within(self, archive_size: int) -> int:
        """Maximum unpacked bytes of an archive of ``archive_size`` bytes."""
        return min(self.size, max(self.free, self.ratio * archive_size))


class Unpacking:
    """One archive being unpacked into ``target``, an empty folder that no other process touches meanwhile.

    Written bytes are counted; the sizes in the archive are not trusted. Links are made last, by ``finish``,
    so that nothing is ever written through one. Every method raises ``OperationFailed`` and what ``check`` raises.
    """

    def __init__(self, target: Path, limits: UnpackingLimits, archive_size: int, check: Callable[[], None]) -> None:
        self._target = target
        self._limits = limits
        self._room = limits.within(archive_size)
        self._is_ratio = self._room < limits.size
        self._written = 0
        self._entries = 0
        self._check = check
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        self._folders: set[str] = set()

    def folder(self, name: str) -> None:
        """Make a folder; it may exist already."""
        self._count()
        parts = self._parts(name)
        self._make(parts)

    def file(self, name: str, mode: int, chunks: Iterator[bytes]) -> None:
        """Write a file. Only the permission bits of ``mode`` are used; the owner may always read and write."""
        self._count()
        parts = self._parts(name)
        path = self._free(parts)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        permissions = (mode & _PERMISSIONS) | _OWNER
        try:
            with os.fdopen(os.open(path, flags, permissions), "wb") as file:
                for chunk in chunks:
                    self.grow(len(chunk))
                    file.write(chunk)
        except OSError as error:
            if error.errno is None:  # from reading the archive, not from writing
                raise
            raise _refused(error, name) from error
        self._files.add("/".join(parts))

    def symbolic_link(self, name: str, leads_to: str) -> None:
        """Schedule a symbolic link for the end; its target must then be inside."""
        self._count()
        if not leads_to or "\0" in leads_to or len(os.fsencode(leads_to)) > _MAX_TARGET_BYTES:
            raise OperationFailed(f"The archive contains a link that has no target: {_shown(name)}.")
        parts = self._parts(name)
        self._free(parts)
        self._links["/".join(parts)] = leads_to

    def hard_link(self, name: str, leads_to: str) -> None:
        """Give a file that was unpacked before a second name."""
        self._count()
        source = "/".join(self._parts(leads_to))
        if source not in self._files:
            raise OperationFailed(
                f"The archive's link {_shown(name)} leads to {_shown(leads_to)}, which is not a file in it."
            )
        parts = self._parts(name)
        path = self._free(parts)
        try:
            os.link(self._target / source, path, follow_symlinks=False)
        except OSError as error:
            raise _refused(error, name) from error
        self._files.add("/".join(parts))

    def grow(self, amount: int) -> None:
        """Count ``amount`` bytes more."""
        self._check()
        self._written += amount
        if self._written > self._room:
            limit = f"{self._limits.ratio} times its own size" if self._is_ratio else "what one package may"
            raise OperationFailed(f"The archive becomes too large: more than {self._room} bytes, {limit}.")

    def finish(self) -> None:
        """Make the links, and verify that none of them points outside."""
        root = self._target.resolve()
        for name, leads_to in self._links.items():
            try:
                (self._target / name).symlink_to(leads_to)
            except OSError as error:
                raise _refused(error, name) from error
        for name, leads_to in self._links.items():
            self._check()
            try:
                end = Path(os.path.realpath(self._target / name))
            except (OSError, RecursionError) as error:
                raise OperationFailed(f"The archive's link {_shown(name)} has no target.") from error
            if leads_to.startswith("/") or not end.is_relative_to(root):
                raise OperationFailed(f"The archive's link {_shown(name)} leads out of it, to {_shown(leads_to)}.")

    def _count(self) -> None:
        self._check()
        self._entries += 1
        if self._entries > self._limits.entries:
            raise OperationFailed(f"The archive contains too many files: more than {self._limits.entries}.")

    def _parts(self, name: str) -> tuple[str, ...]:
        """The folders and the name of ``name``, which must stay inside."""
        if name.startswith("/") or "\\" in name or _DRIVE.match(name):
            raise OperationFailed(f"The archive contains a file with an absolute or foreign path: {_shown(name)}.")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise OperationFailed(f"The archive contains a file outside of its folder: {_shown(name)}.")
        if "\0" in name or len(os.fsencode(name)) > _MAX_NAME_BYTES:
            raise OperationFailed(f"The archive contains a file with a name that cannot be used: {_shown(name)}.")
        return parts

    def _free(self, parts: tuple[str, ...]) -> Path:
        """The path of a new entry, its folder made; raises if something has its name."""
        name = "/".join(parts)
        if not parts or name in self._links or os.path.lexists(self._target / name):
            raise OperationFailed(f"The archive contains two files of one name: {_shown(name or '.')}.")
        return self._make(parts[:-1]) / parts[-1]

    def _make(self, parts: tuple[str, ...]) -> Path:
        """The folder ``parts``, made with all above it."""
        path = self._target.joinpath(*parts)
        name = "/".join(parts)
        if not parts or name in self._folders:
            return path
        self._make(parts[:-1])
        if name in self._links:
            raise OperationFailed(f"The archive contains a file below a link: {_shown(name)}.")
        try:
            path.mkdir(0o755, exist_ok=True)
        except OSError as error:
            raise _refused(error, name) from error
        self._folders.add(name)
        return path


def pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The chunks that ``read`` returns, to its end."""
    while chunk := read(_CHUNK_BYTES):
        yield chunk


def brief_reason(error: BaseException) -> str:
    """The first line of an error of a library, for a message."""
    return excerpt.beginning((str(error) or type(error).__name__).partition("\n")[0].rstrip("."), 300)


def _shown(name: str) -> str:
    text = name.encode("utf-8", "backslashreplace").decode()
    return repr(text if len(text) <= 200 else text[:197] + "...")


def _refused(error: OSError, name: str) -> OperationFailed:
    if error.errno in _UNFIT:
        return OperationFailed(
            f"The archive contains a file that cannot be created: {_shown(name)} ({error.strerror})."
        )
    return OperationFailed(f"The archive could not be unpacked: {error.strerror or error} (at {_shown(name)}).")
