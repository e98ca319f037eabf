"""Uploads: bodies that may be larger than other ones, read as they arrive."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout
from werkzeug.formparser import FormDataParser, default_stream_factory

from api import body_timeout
from api.errors import UnsupportedMedia
from jobqueue.errors import InvalidInput
from jobqueue.services.content_store import room_on_disk

#: Bytes that are read from the client at a time.
_READ_BYTES = 256 * 1024
#: Seconds of silence after which an upload is given up.
SILENCE_SECONDS = 60.0
#: Bytes of a form besides the file in it.
_FORM_BYTES = 64 * 1024
_MOST_PARTS = 20
_FORM = "multipart/form-data"


def check_plain(noun: str) -> None:
    """Raise ``UnsupportedMedia`` for a compressed body."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia(f"The {noun} must not be compressed again: leave out the header Content-Encoding.")


def body(noun: str) -> Iterator[bytes]:
    """The request's body as it comes in, straight from the server: werkzeug's limit is that of other bodies."""
    stream, unread = request.environ["wsgi.input"], request.content_length
    try:
        while unread is None or unread > 0:
            with body_timeout.bounded(f"{_READ_BYTES} bytes of the {noun}"):
                piece = stream.read(_READ_BYTES if unread is None else min(_READ_BYTES, unread))
            if not piece:
                return
            if unread is not None:
                unread -= len(piece)
            yield piece
            time.sleep(0)  # what has arrived is read without a wait, so others would get no turn
    except TimeoutError as error:
        body_timeout.cut(request.environ.get("gunicorn.socket"))
        raise RequestTimeout(
            f"No data of the {noun} has arrived for {SILENCE_SECONDS:g} s; nothing was stored. Send it again."
        ) from error
    except OSError as error:
        raise InvalidInput("The upload ended early; nothing was stored. Send it again.") from error


@contextmanager
def impatient() -> Iterator[None]:
    """Limits each wait for the client: a silent client must not block an upload indefinitely."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:  # another server
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        connection.settimeout(before)


@dataclass(frozen=True)
class Form:
    """The fields of a form, and the file in it."""

    fields: dict[str, str]
    file: IO[bytes]

    def size(self) -> int:
        """How many bytes the file has."""
        return self.file.seek(0, io.SEEK_END) - self.file.seek(0)

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the file."""
        while piece := self.file.read(_READ_BYTES):
            yield piece


@contextmanager
def form(noun: str, file_field: str, most_bytes: int) -> Iterator[Form]:
    """The form in the request's body, of which ``file_field`` is a file of at most ``most_bytes``.

    The file is on disk if it is large. Raises ``UnsupportedMedia``, ``InvalidInput``, ``PackagesFull`` for a full disk,
    and werkzeug's ``RequestEntityTooLarge``.
    """
    check_plain(noun)
    if request.mimetype != _FORM or not request.mimetype_params.get("boundary"):
        raise UnsupportedMedia(f"The {noun} must be sent as a form: Content-Type: {_FORM}.")
    stream: Any = _Bounded(body(noun), most_bytes + _FORM_BYTES)
    with room_on_disk(), ExitStack() as opened:

        def open_file(*about: Any, **more: Any) -> IO[bytes]:
            return opened.enter_context(closing(default_stream_factory(*about, **more)))

        parser = FormDataParser(open_file, max_form_memory_size=_FORM_BYTES, max_form_parts=_MOST_PARTS, silent=False)
        with impatient():
            try:
                _, fields, files = parser.parse(stream, request.mimetype, None, request.mimetype_params)
            except ValueError as error:
                raise InvalidInput(f"The body is not a form that can be read: {error}.") from error
        for name in (*fields, *files):
            if len(fields.getlist(name)) + len(files.getlist(name)) > 1:
                raise InvalidInput.of(name[:80], "Is given twice.")
        if set(files) != {file_field}:
            raise InvalidInput.of(
                file_field, "Send the file in this field of the form, with a file name, and no other."
            )
        yield Form(fields.to_dict(), files[file_field].stream)


class _Bounded(io.RawIOBase):
    """The pieces as a stream of at most ``most`` bytes."""

    def __init__(self, pieces: Iterator[bytes], most: int) -> None:
        self._pieces = pieces
        self._left = most
        self._held = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left -= len(piece)
            if self._left < 0:
                raise RequestEntityTooLarge
            self._held = piece
        if size < 0:
            size = len(self._held)
        piece, self._held = self._held[:size], self._held[size:]
        return piece
