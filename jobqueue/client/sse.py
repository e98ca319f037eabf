"""Reading server-sent events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event: its name, its data as text, and its id, from which to resume ('' without one)."""

    name: str
    data: str
    id: str = ""


class EventTooLarge(Exception):
    """An event is larger than the reader takes."""


#: The name of a comment, in place of an event's.
COMMENT = ":"


def read_events(
    chunks: Iterable[bytes], most_bytes: int | None = None, *, comments: bool = False
) -> Iterator[ServerEvent]:
    """The events of a byte stream in arbitrary chunks; incomplete events are skipped.

    So are comments, unless ``comments`` asks for them: a server sends one from time to time while nothing happens.
    Raises ``EventTooLarge`` for an event, or a line, of more than ``most_bytes``.
    """
    name, event_id, data, size = "message", "", list[str](), 0
    for line in _lines(chunks, most_bytes):
        size += len(line)
        if most_bytes is not None and size > most_bytes:
            raise EventTooLarge
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data), event_id)
            name, event_id, data, size = "message", "", [], 0
            continue
        if comments and line.startswith(":"):
            yield ServerEvent(COMMENT, line)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "id":
            event_id = value
        elif field == "data":
            data.append(value)


def _lines(chunks: Iterable[bytes], most_bytes: int | None) -> Iterator[str]:
    """The lines, which end with CR LF, LF or CR."""
    rest, ends_with_cr = b"", False
    for received in chunks:
        chunk = received.removeprefix(b"\n") if ends_with_cr else received
        ends_with_cr = received.endswith(b"\r") or (ends_with_cr and not received)
        lines = (rest + chunk).splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        if most_bytes is not None and len(rest) > most_bytes:
            raise EventTooLarge
        for line in lines:
            yield line.rstrip(b"\r\n").decode("utf-8", "replace")
