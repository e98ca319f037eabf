"""Follows the events of jobs: one reader of the ledger's stream serves all followers in this process."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain

from jobqueue.errors import JobQueueError, LedgerUnavailable
from jobqueue.ledger.events import START, Events
from jobqueue.model.job import Job
from jobqueue.model.job_event import JobEvent, event_position
from jobqueue.model.timeline import Event

logger = logging.getLogger(__name__)

#: Entries kept in memory for followers that lag behind.
_RECENT = 5000
#: Seconds that one read of the stream waits.
_READ_SECONDS = 1.0
#: Maximum number of entries that a follower gets at a time.
_TURN = 500


class MissedEvents(JobQueueError):
    """Some events since the last one that the reader saw are no longer stored."""

    code = "missed_events"


class EventFeed:
    """Events for any number of followers. Each proceeds at its own pace: a slow one does not delay the others."""

    def __init__(self, events: Events, read: Callable[[str], Job]) -> None:
        self._events = events
        self._job = read
        self._came = threading.Condition()
        self._recent: list[JobEvent] = []
        self._positions: list[tuple[int, int]] = []
        self._last = START
        self._followers = 0
        self._reader: threading.Thread | None = None

    def follow(self, after: str | None = None, wait_seconds: float = 1.0) -> Iterator[list[JobEvent]]:
        """Events after ``after`` (None: from now on) as they happen, without an end.

        Yields an empty list at least every ``wait_seconds``. Raises ``InvalidInput`` for an invalid id, and
        ``MissedEvents``
        if there is a gap after ``after`` (or, much later, because the follower fell too far behind).
        """
        if after is None:
            return self._follow(self.position(), wait_seconds)
        event_position(after)
        self._check_held(after)
        return self._follow(after, wait_seconds)

    def follow_job(self, job_id: str, after: str | None = None) -> Iterator[list[JobEvent]]:
        """The events of one job until it is final; without ``after``, starting with the past ones.

        Raises ``JobNotFound``, and the errors of ``follow``.
        """
        position = self.position()  # before the job is read: an event in between may come twice, but none is lost
        job = self._job(job_id)
        turns = self.follow(after or position)
        if after is not None:
            return self._of_job(turns, job, event_position(position), set())
        marks = {_mark(event) for event in job.timeline}
        begin = [JobEvent(position, job.id, job.status, tuple(job.timeline))]
        if job.status.is_final:
            return iter([begin])
        return chain([begin], self._of_job(turns, job, event_position(position), marks))

    @staticmethod
    def _of_job(
        turns: Iterator[list[JobEvent]], job: Job, read_at: tuple[int, int], marks: set[tuple[int, str, str]]
    ) -> Iterator[list[JobEvent]]:
        for turn in turns:
            mine = [news for news in turn if news.job_id == job.id and not marks.issuperset(map(_mark, news.events))]
            yield mine
            if mine and mine[-1].status.is_final:
                return
            if job.status.is_final and (not turn or turn[-1].position >= read_at):
                return

    def position(self) -> str:
        """The id of the newest event: following from here misses no later event."""
        return self._events.newest()

    def _follow(self, position: str, wait_seconds: float) -> Iterator[list[JobEvent]]:
        self._join()
        try:
            while True:
                events = self._behind(position, wait_seconds)
                if events is None:  # older than the events in memory
                    events = self._events.read(position)
                    self._check_held(position)  # afterwards: until then, the stream may lose what was not read
                    if not events:  # the reader is elsewhere, for a moment
                        self._wait(wait_seconds)
                if events:
                    position = events[-1].id
                yield events
        finally:
            self._leave()

    def _behind(self, event_id: str, seconds: float) -> list[JobEvent] | None:
        """Events after ``event_id``, waiting for them; None if they are not in memory."""
        position = event_position(event_id)
        with self._came:
            if not self._reaches(position):
                return None
            self._came.wait_for(lambda: self._newest() != position, timeout=seconds)
            if not self._reaches(position):
                return None
            first = bisect_right(self._positions, position)
            return self._recent[first : first + _TURN]

    def _reaches(self, position: tuple[int, int]) -> bool:
        """Whether all events after ``position`` are in memory.

        They are not if it is ahead of the reader: an entry not read yet, or one of a stream that was recreated.
        """
        newest = self._newest()
        return (self._positions[0] if self._positions else newest) <= position <= newest

    def _newest(self) -> tuple[int, int]:
        return event_position(self._last)

    def _wait(self, seconds: float) -> None:
        with self._came:
            self._came.wait(seconds)

    def _check_held(self, position: str) -> None:
        if not self._events.holds(position):
            raise MissedEvents

    def _join(self) -> None:
        newest = self._events.newest()
        with self._came:
            self._followers += 1
            if self._reader is None:
                self._recent, self._positions, self._last = [], [], newest
                self._reader = threading.Thread(target=self._read, name="feed", daemon=True)
                self._reader.start()

    def _leave(self) -> None:
        with self._came:
            self._followers -= 1

    def _read(self) -> None:
        """Read the stream for as long as there are followers."""
        pause = threading.Event()
        while True:
            with self._came:
                if not self._followers:
                    self._reader = None
                    return
            try:
                news = self._events.wait(self._last, _READ_SECONDS)
                newest = self._last if news else self._events.newest()
                # afterwards: as long as the stream holds the last entry, it had all that follow
                has_gap = bool(news) and not self._events.holds(self._last)
            except LedgerUnavailable as error:
                logger.warning("The event feed is waiting for the ledger: %s", error)
                pause.wait(_READ_SECONDS)
                continue
            except Exception:
                logger.exception("The events cannot be read")
                pause.wait(_READ_SECONDS)
                continue
            if event_position(newest) < self._newest():
                # the stream was recreated, or Redis lost its end: no entry will follow the last one
                with self._came:
                    self._recent, self._positions, self._last = [], [], newest
                    self._came.notify_all()
            elif news:
                with self._came:
                    if has_gap:  # followers behind it get `gap`: what they saw last is not in memory
                        self._recent, self._positions = [], []
                    self._last = news[-1].id
                    self._recent += news
                    self._positions += [event.position for event in news]
                    if len(self._recent) > 2 * _RECENT:
                        del self._recent[:-_RECENT]
                        del self._positions[:-_RECENT]
                    self._came.notify_all()


def _mark(event: Event) -> tuple[int, str, str]:
    """A key that identifies a step within one job."""
    return event.at, event.event, event.hostname
