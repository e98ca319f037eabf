"""The agent's source of uploaded packages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class PackageSource(Protocol):
    """Provides uploaded packages as local files."""

    def open(
        self, name: str, digest: str | None, check: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[Path]:
        """The package as a file that exists while the block runs. ``digest`` is its required sha256 (hex).

        ``check`` is called again and again while the package is fetched, and ends that by an error. Raises
        ``OperationFailed`` if the package no longer exists, has another digest, or cannot be fetched.
        """
        ...
