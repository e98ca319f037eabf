"""Files that hosts have sent, as the signed results of an operation list them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The permission to send files, and to download them.
FETCH_PERMISSION = "file:fetch"
#: Lists in the archive of a job what is not in it. No hostname begins so.
NOT_INCLUDED = "_not-included.txt"
#: Most files of one host, and bytes of them.
MOST_FILES = 1000
MOST_HOST_BYTES = 1024**3
#: Most bytes of all hosts of a job together.
MOST_JOB_BYTES = 16 * 1024**3

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FetchedFile:
    """One file of one host. ``start`` is the offset of its bytes in what the host has sent; ``modified`` ISO 8601."""

    path: str
    size: int
    sha256: str
    modified: str
    start: int


def files_of(answer: Any) -> tuple[FetchedFile, ...] | None:
    """The files that a result names; None if this is not the result of an honest agent."""
    listed = answer.get("files") if isinstance(answer, Mapping) else None
    if not isinstance(listed, list) or len(listed) > MOST_FILES:
        return None
    files: list[FetchedFile] = []
    start = 0
    for entry in listed:
        file = _file(entry, start)
        if file is None or start + file.size > MOST_HOST_BYTES:
            return None
        files.append(file)
        start += file.size
    return tuple(files)


def _file(entry: Any, start: int) -> FetchedFile | None:
    if not isinstance(entry, Mapping):
        return None
    path, size, sha256, modified = (entry.get(name) for name in ("path", "size", "sha256", "modified"))
    if not isinstance(path, str) or not isinstance(sha256, str) or not isinstance(modified, str):
        return None
    if type(size) is not int or size < 0 or not _SHA256.fullmatch(sha256):
        return None
    return FetchedFile(path, size, sha256, modified, start)
