"""Request bodies as the application reads them: a malformed body is the client's error, not a fault of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import ParseException

from jobqueue.errors import InvalidInput

#: Chunks that a body may have: this many, plus one per ``_BYTES_PER_CHUNK`` of it. Each costs 5 us, however small.
_LEAST_CHUNKS = 10_000
_BYTES_PER_CHUNK = 256
#: The largest size that a chunk may say; no body is as large, and one that is waited for would never end.
_LARGEST = 2**63 - 1


class CheckedBody:
    """The body of one request. Reading raises ``InvalidInput`` (400) where its chunks are malformed or too small.

    The connection is closed then: where the next request begins cannot be known.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._body = request.body
        self._chunks = self._bytes = 0
        if isinstance(self._body.reader, ChunkedReader):
            self._body.reader.parse_chunk_size = self._counting(self._body.reader.parse_chunk_size)

    @property
    def failed(self) -> bool:
        """Whether reading raised an error."""
        return bool(self._body.failed)

    @property
    def is_read(self) -> bool:
        """Whether nothing is left to read; False for a chunked body, whose end only a read finds."""
        body = self._body
        return isinstance(body.reader, LengthReader) and body.reader.length <= 0 and not body.buf.tell()

    def has_arrived(self, size: int) -> bool:
        """Whether reading ``size`` bytes waits for nothing: small bodies arrive together with the head."""
        reader = self._body.reader
        return isinstance(reader, LengthReader) and bool(reader.unreader.buf.tell() >= size)

    def read(self, size: int | None = None) -> bytes:
        """Up to ``size`` bytes, all without it; empty at the end."""
        chunk: bytes = self._checked(self._body.read, size)
        return chunk

    def readline(self, size: int | None = None) -> bytes:
        """One line."""
        line: bytes = self._checked(self._body.readline, size)
        return line

    def readlines(self, size: int | None = None) -> list[bytes]:
        """All lines."""
        lines: list[bytes] = self._checked(self._body.readlines, size)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line

    def _checked(self, read: Callable[[int | None], Any], size: int | None) -> Any:
        try:
            return read(size)
        except ParseException as error:
            raise InvalidInput(f"The body's chunks are malformed: {str(error)[:200]}.") from error
        finally:
            if self._body.failed:
                self._request.force_close()

    def _counting(self, parse: Callable[..., tuple[int, bytes | None]]) -> Callable[..., tuple[int, bytes | None]]:
        def parse_chunk_size(*args: Any, **options: Any) -> tuple[int, bytes | None]:
            size, rest = parse(*args, **options)
            if size > _LARGEST:
                raise _HugeChunk
            self._chunks += 1
            self._bytes += size
            if self._chunks > _LEAST_CHUNKS + self._bytes // _BYTES_PER_CHUNK:
                raise _TinyChunks
            return size, rest

        return parse_chunk_size


class _HugeChunk(ParseException):
    """A chunk that says to be larger than anything is."""

    def __str__(self) -> str:
        return f"a chunk of more than {_LARGEST} bytes"


class _TinyChunks(ParseException):
    """More chunks than data is worth."""

    def __str__(self) -> str:
        return f"more than {_LEAST_CHUNKS} chunks of less than {_BYTES_PER_CHUNK} bytes; send larger ones"
