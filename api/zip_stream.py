"""Zip archives that are made while they are sent."""

from __future__ import annotations


class Sink:
    """The unseekable file that ``zipfile`` writes to; what was written can be taken out."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> bytes:
        data, self._written = bytes(self._written), bytearray()
        return data
