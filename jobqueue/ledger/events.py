"""The stream of events of all jobs."""

from __future__ import annotations

from typing import Any

import redis

from jobqueue.ledger import decoding
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.model.job_event import JobEvent
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import EVENTS, Event

#: Where the stream starts.
START = "0-0"
#: Number of entries that the stream keeps at least (``lua/include/events.lua``).
KEPT = 10_000
#: Maximum number of entries of one read.
_MOST = 1000


class Events:
    """Recent and new events. Bounded: the oldest are dropped."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._key = keys.kind("events")

    def newest(self) -> str:
        """The id of the newest entry."""
        with translated_errors():
            entries: Any = self._client.xrevrange(self._key, count=1)
        return str(entries[0][0]) if entries else START

    def holds(self, news_id: str) -> bool:
        """Whether all entries after this one are still in the stream.

        The oldest are removed first, so they are as long as this one is. ``START`` is not an entry: without it,
        a stream with fewer entries than it keeps has lost none.
        """
        with translated_errors():
            if news_id == START:
                return int(self._client.xlen(self._key)) < KEPT
            return bool(self._client.xrange(self._key, news_id, news_id))

    def read(self, after: str) -> list[JobEvent]:
        """Events after ``after``, oldest first, up to a thousand."""
        with translated_errors():
            entries: Any = self._client.xrange(self._key, f"({after}", "+", count=_MOST)
        return [_news(*entry) for entry in entries]

    def wait(self, after: str, seconds: float) -> list[JobEvent]:
        """The same as ``read``, waiting up to ``seconds`` for an event. Holds a connection meanwhile."""
        with translated_errors():
            answer: Any = self._client.xread({self._key: after}, count=_MOST, block=int(seconds * 1000))
        if not answer:
            return []
        streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer]
        return [_news(*entry) for entry in next(iter(streams))]


def _news(entry_id: str, fields: dict[str, str]) -> JobEvent:
    try:
        job_id, status, at, events, hostname, note = fields["v"].split("|", 5)
        steps = tuple(
            Event(decoding.integer(at), event, hostname, note) for event in events.split(",") if event in EVENTS
        )
        return JobEvent(entry_id, job_id, JobStatus(status), steps)
    except decoding.FAULTS:
        # a forged entry: it has a position in the stream, and no content
        return JobEvent(entry_id, "", JobStatus.SUBMITTED, ())
