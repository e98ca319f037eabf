"""A process's output, of bounded size."""

from __future__ import annotations


class Capture:
    """The first and the last half of ``limit`` bytes of a stream; the bytes in between are counted and dropped.

    Never holds more than twice ``limit``, however much is written.
    """

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._limit = max(2, limit)
        self._head_limit = self._limit // 2
        self._tail_limit = self._limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()

    def write(self, chunk: bytes) -> None:
        """Add ``chunk``."""
        self.total += len(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._tail += chunk
            if len(self._tail) > 2 * self._tail_limit:  # trimmed seldom, so that a byte is moved about once
                del self._tail[: -self._tail_limit]

    def is_cut(self, limit: int | None = None) -> bool:
        """Whether ``text(limit)`` is incomplete."""
        return self.total > min(self._limit, limit if limit is not None else self._limit)

    def text(self, limit: int | None = None) -> str:
        """The stream as text, at most ``limit`` bytes of it plus a line that says how many bytes were cut.

        Bytes that are not UTF-8 become U+FFFD.
        """
        limit = min(self._limit, max(2, limit if limit is not None else self._limit))
        if self.total <= limit:
            return (self._head + self._tail).decode("utf-8", "replace")
        captured = self._head if self.total > self._limit else self._head + self._tail
        last = self._tail if self.total > self._limit else captured
        head = whole_end(bytes(captured[: limit // 2]))
        tail = _whole_start(bytes(last[-(limit - limit // 2) :]))
        cut = self.total - len(head) - len(tail)
        return f"{head.decode('utf-8', 'replace')}\n[... {cut} bytes cut ...]\n{tail.decode('utf-8', 'replace')}"


def whole_end(data: bytes) -> bytes:
    """``data`` without a character that the cut left incomplete at its end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0xC0:  # the first byte of a longer character
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if length > back else data
        if byte & 0xC0 != 0x80:
            break
    return data


def _whole_start(data: bytes) -> bytes:
    """``data`` without the rest of a character that the cut left at its start."""
    skip = 0
    while skip < min(3, len(data)) and data[skip] & 0xC0 == 0x80:
        skip += 1
    return data[skip:]
