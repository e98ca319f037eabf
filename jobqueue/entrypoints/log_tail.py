"""The end of an entrypoint's output, both streams in order of arrival."""

from __future__ import annotations

from collections import deque

_LINES = 10
_CHARACTERS = 20_000
_BYTES = 4 * _CHARACTERS  # no character takes more


class LogTail:
    """Keeps the last lines of the output."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._held = 0

    def write(self, chunk: bytes) -> None:
        """Add ``chunk``."""
        chunk = chunk[-_BYTES:]
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= _BYTES:
            self._held -= len(self._chunks.popleft())

    def text(self) -> str:
        """The last ten lines, at most 20,000 characters of them."""
        text = b"".join(self._chunks)[-_BYTES:].decode("utf-8", "replace")
        lines = text.splitlines(keepends=True)[-_LINES:]
        return "".join(lines)[-_CHARACTERS:]
