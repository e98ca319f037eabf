"""Where an agent gets uploaded packages from."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class PackageSource(Protocol):
    """Hands uploaded packages out as local files."""

    def open(self, name: str, digest: str | None) -> AbstractContextManager[Path]:
        """The package as a file that is there while the block runs. ``digest`` (sha256, hex) is what it must be.

        Raises ``OperationFailed`` if it is not known any more, is not what was wanted, or cannot be fetched.
        """
        ...
