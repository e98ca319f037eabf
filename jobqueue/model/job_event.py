"""What those who follow all jobs are told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobqueue.errors import InvalidInput
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import Event

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
#: Both parts of an id of Redis' streams are unsigned and have 64 bits.
_HIGHEST = 2**64 - 1


@dataclass(frozen=True)
class JobEvent:
    """The steps that one job took in one moment. ``id`` grows; ``status`` is the job's after them."""

    id: str
    job_id: str
    status: JobStatus
    events: tuple[Event, ...]

    @property
    def place(self) -> tuple[int, int]:
        """``id`` as something that can be compared."""
        return event_position(self.id)


def event_position(news_id: str) -> tuple[int, int]:
    """An id as something that can be compared; raises ``InvalidInput`` for what is no id."""
    found = _ID.fullmatch(news_id)
    place = (int(found[1]), int(found[2])) if found else None
    if place is None or max(place) > _HIGHEST:
        sentence = "Must be the id of an event of this stream; leave it out to begin now."
        raise InvalidInput.of("Last-Event-ID", sentence)
    return place
