"""What this process has open: identified by type, for threads that earlier tests left may open files of their own."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path


def pipes() -> Counter[str]:
    """Pipes, and handles of processes."""
    return _open(("pipe:", "anon_inode:[pidfd]"))


def files(folder: Path) -> Counter[str]:
    """Files in a folder, or the one."""
    return _open((str(folder.resolve()),))


def _open(beginnings: tuple[str, ...]) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own, and what others have closed meanwhile
            target = str(entry.readlink())
            if target.startswith(beginnings):
                found[target] += 1
    return found
