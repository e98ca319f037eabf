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


def read_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """The events of a byte stream in arbitrary chunks; comments and incomplete events are skipped."""
    name, event_id, data = "message", "", list[str]()
    for line in _lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data), event_id)
            name, event_id, data = "message", "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "id":
            event_id = value
        elif field == "data":
            data.append(value)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
