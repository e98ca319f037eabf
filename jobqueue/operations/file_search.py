"""Finds and opens files by path without following a link: by descriptors, one part of the path after the other."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobqueue.errors import OperationFailed
from jobqueue.operations.text import clean

#: Names in directories that one search examines.
MOST_EXAMINED = 100_000
_MOUNTS = Path("/proc/self/mountinfo")
#: Filesystems whose files are views of the kernel: they have no size, may block, and may act when they are read.
_OF_THE_KERNEL = frozenset(
    {
        *("proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore"),
        *("efivarfs", "binfmt_misc", "fusectl", "selinuxfs", "devpts"),
        *("mqueue", "nsfs", "rpc_pipefs", "nfsd", "autofs"),
    }
)
_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}
#: Opens a directory that may be entered, but not listed, where the system can.
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class NotAFile(Exception):
    """There is no regular file of this name; the message says what there is."""


def _kernel_devices() -> frozenset[int]:
    """The numbers of the mounted filesystems that are views of the kernel; none without Linux' list of mounts."""
    devices = set()
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        before, _, after = line.partition(" - ")
        numbers, kind = before.split(" ")[2].partition(":"), after.split(" ")[0]
        if kind in _OF_THE_KERNEL:
            devices.add(os.makedev(int(numbers[0]), int(numbers[2])))
    return frozenset(devices)


@dataclass
class Search:
    """Finds files by a path whose names may have wildcards. ``check`` is called in long loops, and may raise."""

    check: Callable[[], None]
    examined: int = 0
    kernel_devices: frozenset[int] = field(default_factory=_kernel_devices)

    def paths(self, pattern: str) -> Iterator[str]:
        """The paths that match, in order of their names. Directories that cannot be listed are passed over.

        Raises ``OperationFailed`` for too many names.
        """
        yield from self._below("", [part for part in pattern.split("/") if part not in ("", ".")])

    def _below(self, folder: str, parts: list[str]) -> Iterator[str]:
        number = next((number for number, part in enumerate(parts) if has_wildcard(part)), None)
        if number is None:
            yield "/".join([folder, *parts])
            return
        parent, rest = "/".join([folder, *parts[:number]]), parts[number + 1 :]
        for name in self._names(parent, parts[number], only_directories=bool(rest)):
            yield from self._below(f"{parent}/{name}", rest)

    def _names(self, folder: str, pattern: str, *, only_directories: bool) -> list[str]:
        names = []
        try:
            with _directory(folder, _LIST) as fd, os.scandir(fd) as entries:
                for entry in entries:
                    self._count()
                    if _fits(entry.name, pattern) and not (
                        only_directories and not entry.is_dir(follow_symlinks=False)
                    ):
                        names.append(entry.name)
        except (OSError, NotAFile):
            return []
        return sorted(names)

    def _count(self) -> None:
        self.examined += 1
        if self.examined > MOST_EXAMINED:
            raise OperationFailed(
                f"The path was not searched to its end: its directories have more than {MOST_EXAMINED} names. Give a "
                "longer path before the first wildcard."
            )
        if self.examined % 1000 == 0:
            self.check()

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[tuple[int, os.stat_result]]:
        """A descriptor of a regular file and its status. Raises ``NotAFile`` and ``OSError``; nothing is waited for."""
        folder, _, name = path.rpartition("/")
        with _directory(folder, _ENTER) as parent:
            self._check_kind(os.stat(name, dir_fd=parent, follow_symlinks=False))
            fd = os.open(name, _READ_FILE, dir_fd=parent)
            try:
                status = os.fstat(fd)
                self._check_kind(status)  # it may have been replaced meanwhile
                yield fd, status
            finally:
                os.close(fd)

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(f"is a {_KINDS.get(stat.S_IFMT(status.st_mode), 'special file')}, not a regular file")
        if status.st_dev in self.kernel_devices:
            raise NotAFile("is not stored anywhere: the kernel makes it up when it is read")


def has_wildcard(text: str) -> bool:
    """Whether a part of a path stands for several names."""
    return any(character in text for character in "*?[")


def _fits(name: str, pattern: str) -> bool:
    """As in a shell: a name that begins with a dot needs a pattern that does."""
    return (pattern.startswith(".") or not name.startswith(".")) and fnmatch.fnmatchcase(name, pattern)


@contextlib.contextmanager
def _directory(path: str, last: int) -> Iterator[int]:
    """A descriptor of a directory, opened with the flags ``last``. Raises ``NotAFile`` if a part of it is a link."""
    parts = [part for part in path.split("/") if part]
    fd = os.open("/", _ENTER if parts else last)
    try:
        for number, part in enumerate(parts, 1):
            try:
                inner = os.open(part, last if number == len(parts) else _ENTER, dir_fd=fd)
            except OSError:
                _refuse_link(part, fd, "/".join(["", *parts[:number]]))
                raise
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _refuse_link(name: str, parent: int, path: str) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            target = os.readlink(name, dir_fd=parent)
            raise NotAFile(f"is below the link {clean(path)} -> {clean(target)}, and links are not followed")
