"""The API's stream of job events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from jobqueue.client.errors import ClientError, ConnectionFailed, InvalidAnswer, Unavailable
from jobqueue.client.sse import ServerEvent
from jobqueue.client.transport import Transport

#: How long an unreachable API is retried.
_PATIENCE_SECONDS = 30.0
#: Seconds before a stream that ended early (a server that stops, a proxy time-out) is requested again.
_PAUSE_SECONDS = 0.2
_KINDS = ("job", "reset", "waiting", "resumed", "end")


def follow(http: Transport, path: str, after: str = "") -> Iterator[dict[str, Any]]:
    """Events of the stream at ``path`` after the id ``after``, up to its ``end`` if it has one.

    A broken connection is resumed after the last event. Raises the errors of ``jobqueue.client.errors``.
    """
    gone_since: float | None = None
    while True:
        try:
            with http.stream(path, last_id=after) as events:
                for event in events:
                    gone_since = None
                    after = event.id or after
                    document = _document(event)
                    if document is None:
                        continue
                    yield document
                    if document["kind"] == "end":
                        return
        except (ConnectionFailed, Unavailable):
            gone_since = gone_since or time.monotonic()
            if time.monotonic() - gone_since > _PATIENCE_SECONDS:
                raise
        time.sleep(_PAUSE_SECONDS)


def _document(event: ServerEvent) -> dict[str, Any] | None:
    """One event as ``follow`` yields it; None for a kind that only newer servers send."""
    try:
        data = json.loads(event.data)
    except ValueError as error:
        raise InvalidAnswer("The event stream is not in the jobqueue API's format.") from error
    if not isinstance(data, dict):
        raise InvalidAnswer("The event stream is not in the jobqueue API's format.")
    if event.name == "error":
        raise ClientError(str(data.get("error")), data.get("details"))
    if event.name not in _KINDS:
        return None
    return {**data, "kind": event.name, "id": event.id}
