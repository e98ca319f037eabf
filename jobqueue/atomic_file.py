"""Files that are written as a whole: readers see the old content or the new one, never a part.

A folder that is missing is created for this user only. Raises ``OSError``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Give a file this text."""
    with _draft(path, text, mode) as draft:
        draft.replace(path)


def create_file(path: Path, text: str) -> bool:
    """Create a file with this text unless it exists; whether it was created. Of two processes, one creates it."""
    with _draft(path, text, 0o600) as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        return True


@contextmanager
def _draft(path: Path, text: str, mode: int) -> Iterator[Path]:
    """The text on the disk, in a file beside ``path`` that is removed afterwards."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    draft.unlink(missing_ok=True)  # of a process that was killed
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
