"""The pieces in which packages and fetched files are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Bytes per Redis read or write. Redis needs 320 KiB to store a value of 256 KiB plus its header of a few bytes.
PIECE_BYTES = 255 * 1024


def in_pieces(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of ``PIECE_BYTES``, the last one shorter."""
    buffer = bytearray()
    for part in stream:
        buffer += part
        while len(buffer) >= PIECE_BYTES:
            yield bytes(buffer[:PIECE_BYTES])
            del buffer[:PIECE_BYTES]
    if buffer:
        yield bytes(buffer)
