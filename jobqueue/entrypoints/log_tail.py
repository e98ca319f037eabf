"""The end of an entrypoint's output, both streams in order of arrival."""

from __future__ import annotations

from collections import deque

from jobqueue.trust.secrets.redactor import Redactor

_LINES = 10
_CHARACTERS = 20_000
_BYTES = 4 * _CHARACTERS  # no character takes more


class LogTail:
    """Keeps the last lines of the output."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._has_dropped = False

    def write(self, chunk: bytes) -> None:
        """Add ``chunk``."""
        self._has_dropped = self._has_dropped or self._held + len(chunk) > _BYTES
        chunk = chunk[-_BYTES:]
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= _BYTES:
            self._held -= len(self._chunks.popleft())

    def text(self, redactor: Redactor | None = None) -> str:
        """The last ten lines, at most 20,000 characters of them, redacted before they are cut."""
        text = b"".join(self._chunks)[-_BYTES:].decode("utf-8", "replace")
        if redactor is not None:
            # what was dropped may have begun a secret; the dots say so
            text = redactor.text(f"...{text}" if self._has_dropped else text)
        lines = text.splitlines(keepends=True)[-_LINES:]
        return "".join(lines)[-_CHARACTERS:]
