"""The events published to followers of all jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobqueue.errors import InvalidInput
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import Event

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
#: Both parts of a Redis stream id are unsigned 64-bit numbers.
_HIGHEST = 2**64 - 1


@dataclass(frozen=True)
class JobEvent:
    """The steps that one job took at one moment. ``id`` increases; ``status`` is the job's after these steps."""

    id: str
    job_id: str
    status: JobStatus
    events: tuple[Event, ...]

    @property
    def position(self) -> tuple[int, int]:
        """``id`` as a comparable position."""
        return event_position(self.id)


def event_position(news_id: str) -> tuple[int, int]:
    """An id as a comparable position; raises ``InvalidInput`` for an invalid id."""
    match = _ID.fullmatch(news_id)
    position = (int(match[1]), int(match[2])) if match else None
    if position is None or max(position) > _HIGHEST:
        sentence = "Must be the id of an event of this stream; leave it out to begin now."
        raise InvalidInput.of("Last-Event-ID", sentence)
    return position
