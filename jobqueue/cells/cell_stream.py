"""A stream of server-sent events from the API of a cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.client.sse import COMMENT, ServerEvent
from jobqueue.json_depth import is_deeper

__all__ = ["COMMENT", "Events", "Heard", "ServerEvent", "data_of"]
#: Seconds of silence after which a stream counts as broken. A cell sends a comment every ten.
SILENT_SECONDS = 25.0
#: Size of the largest event, and levels of its data.
MOST_BYTES, MOST_LEVELS = 4 * 1024**2, 20

Heard = Callable[[], None]
Events = Iterator[ServerEvent]


def data_of(event: ServerEvent) -> dict[str, Any]:
    """The JSON object of an event. Raises ``ValueError`` for anything else."""
    try:
        data = json.loads(event.data)
    except RecursionError as error:
        raise ValueError("JSON that is too deep") from error
    if not isinstance(data, dict) or is_deeper(data, MOST_LEVELS):
        raise ValueError("not an object")
    return data
