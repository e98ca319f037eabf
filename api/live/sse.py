"""Server-sent events, as the HTML standard describes them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Response, request

from api.live.admission import OVER, Admission
from api.live.closing import closing
from api.metrics.requests import followed
from api.responses import dumps
from jobqueue.errors import InvalidInput, JobQueueError

#: Seconds of silence after which a comment is sent, so that proxies and clients see that the stream lives.
HEARTBEAT_SECONDS = 10.0
MIME = "text/event-stream"


@dataclass(frozen=True)
class ServerEvent:
    """One event. A client sends its ``id`` as Last-Event-ID to resume after it."""

    name: str
    data: Any
    id: str = ""

    @cached_property
    def text(self) -> str:
        """On the wire. The data is one line: JSON has no raw line breaks."""
        first = f"id: {self.id}\n" if self.id else ""
        return f"{first}event: {self.name}\ndata: {dumps(self.data)}\n\n"


def is_wanted() -> bool:
    """Whether the client asks for a stream (``Accept: text/event-stream``)."""
    return MIME in request.headers.get("Accept", "")


def last_event_id() -> tuple[str, int] | None:
    """``hostname:offset`` in Last-Event-ID, None without the header; raises ``InvalidInput``."""
    text = request.headers.get("Last-Event-ID")
    if text is None or text == "":
        return None
    hostname, _, offset = text.rpartition(":")
    if not (offset.isascii() and offset.isdecimal() and len(offset) <= 15):
        sentence = "Must be the id of an event of this stream; leave it out to start from now."
        raise InvalidInput.of("Last-Event-ID", sentence)
    return hostname, int(offset)


def stream(turns: Iterable[list[ServerEvent]]) -> Response:
    """A response that sends each turn's events as they come; a turn without any gives a chance for a heartbeat.

    An error on the way is sent as the last event, ``error``: the status is long gone. So is the end of the credentials
    that the request came with.
    """
    return Response(
        followed(_encoded(turns, Admission())),
        content_type=f"{MIME}; charset=utf-8",
        # X-Accel-Buffering: nginx would hold events back until a buffer is full
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _encoded(turns: Iterable[list[ServerEvent]], admission: Admission) -> Iterator[str]:
    yield ": stream begins\n\n"
    spoke = time.monotonic()
    try:
        for events in turns:
            if closing.is_set():
                return
            if not admission.holds():
                yield ServerEvent("error", {"error": OVER, "details": {}}).text
                return
            if events:
                yield "".join([event.text for event in events])
                spoke = time.monotonic()
            elif time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                yield ": still here\n\n"
                spoke = time.monotonic()
    except JobQueueError as error:
        yield ServerEvent("error", {"error": error.message, "details": error.details}).text
