"""The way of files from an operation to the ledger."""

from __future__ import annotations

from typing import Protocol


class FileSender(Protocol):
    """Takes the content of the files that one run sends. Raises ``OperationFailed`` if it cannot be stored."""

    def open(self) -> int:
        """Begin, in place of what an earlier attempt sent; returns how many hosts the job has."""
        ...

    def reserve(self, size: int) -> None:
        """Reserve space for this many bytes, before the first piece."""
        ...

    def send(self, piece: bytes) -> None:
        """Send the next piece; all but the last one have ``PIECE_BYTES``."""
        ...
