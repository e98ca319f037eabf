"""The events of one cell: one connection reads them for all who follow them in this process."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import Protocol

from jobqueue.cells.cell import Cell
from jobqueue.cells.feed_items import Entry, FeedReader, Gap, Item, Place, Position, Waiting
from jobqueue.errors import JobQueueError

logger = logging.getLogger(__name__)

_PATH, _QUERY = "/events", {"each": "true"}
#: Entries, and bytes of them, kept in memory for followers that lag behind.
MOST_ENTRIES, MOST_BYTES = 5000, 16 * 1024**2
#: Seconds for which the connection outlasts its last follower: a browser that reloads a page comes back.
LINGER_SECONDS = 60.0
#: Seconds between two attempts to connect.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
#: Followers of one cell that read at once what is no longer in memory; seconds that others wait, and that it may take.
_MOST_CATCHING_UP, _TURN_SECONDS, _CATCH_UP_SECONDS = 4, 5.0, 20.0


class FeedObserver(Protocol):
    """Is told how the feed of a cell is, for metrics."""

    def connected(self, cell: str, *, is_connected: bool) -> None:
        """The cell sends events, or no longer does."""

    def heard(self, cell: str, seconds: float) -> None:
        """An event arrived this many seconds after it happened, by the clocks of the cell and of this machine."""

    def missed(self, cell: str) -> None:
        """Events may be missing."""


class _Unfollowed(Exception):
    """Nobody follows the events."""


class NotHeld(Exception):
    """Events after a position are no longer stored, or cannot be read now."""


class CellFeed:
    """Recent events of a cell, read while they are followed. Each method is thread-safe.

    ``came`` is notified with each change: those who hold it see a consistent state.
    """

    def __init__(self, cell: Cell, came: threading.Condition, observer: FeedObserver) -> None:
        self.cell = cell
        self.came = came
        #: How often events were missed.
        self.gaps = 0
        #: The position behind which events are in memory; None before the cell has said where its stream begins.
        self.floor: Position | None = None
        #: Whether the cell sends events now.
        self.is_connected = False
        self._observer = observer
        self._trouble = ""
        self._began = 0.0
        self._entries: list[Entry] = []
        self._positions: list[Position] = []
        self._size = 0
        self._last_id = ""
        self._newest: Position | None = None
        self._followers = 0
        self._left = 0.0
        self._reader: threading.Thread | None = None
        self._catching_up = threading.BoundedSemaphore(_MOST_CATCHING_UP)

    @property
    def newest(self) -> Position | None:
        """The position of the newest event; None while that is not known."""
        return self._newest

    @property
    def trouble(self) -> str:
        """Why the cell sends no events; empty while it does, and while the connection may still be made."""
        if self._trouble or self.is_connected or not self._began:
            return self._trouble
        is_late = time.monotonic() - self._began > self.cell.stream_seconds
        return self.cell.error(f"no events from {self.cell.url} yet").message if is_late else ""

    def start(self, after: str | None) -> None:
        """Read events, unless they are read already: after the id ``after``, or from now on. It goes on for a while
        without a follower.
        """
        with self.came:
            self._left = time.monotonic()
            if self._reader is None:
                self._forget(after or "")
                self._began, self._trouble = time.monotonic(), ""
                self._reader = threading.Thread(target=self._read, name=f"events {self.cell.name}", daemon=True)
                self._reader.start()

    def join(self) -> None:
        """Count a follower: the events are read until it leaves."""
        with self.came:
            self._followers += 1
        self.start(None)

    def leave(self) -> None:
        """A follower has left."""
        with self.came:
            self._followers -= 1
            self._left = time.monotonic()

    def reaches(self, position: Position) -> bool:
        """Whether all events after ``position`` so far are in memory."""
        return self.floor is not None and self._newest is not None and self.floor <= position <= self._newest

    def entries_after(self, position: Position, limit: int) -> list[Entry]:
        """Up to ``limit`` entries in memory after a position, oldest first."""
        first = bisect_right(self._positions, position)
        return self._entries[first : first + limit]

    def catch_up(self, after: str) -> Iterator[Entry]:
        """The entries after an id that are no longer in memory, by a connection of their own.

        Ends where those in memory follow. Raises ``NotHeld``.
        """
        if not self._catching_up.acquire(timeout=_TURN_SECONDS):
            raise NotHeld
        try:
            yield from self._caught_up(after)
        except JobQueueError as error:
            raise NotHeld from error
        finally:
            self._catching_up.release()

    def _caught_up(self, after: str) -> Iterator[Entry]:
        end = time.monotonic() + _CATCH_UP_SECONDS

        def check_time() -> None:
            if time.monotonic() > end:
                raise NotHeld

        reader = FeedReader(self.cell)
        with self.cell.stream(_PATH, _QUERY, last_id=after, heard=check_time) as events:
            for event in events:
                item = reader.read(event)
                if isinstance(item, Gap | Waiting):
                    raise NotHeld
                if item is None:
                    continue
                if isinstance(item, Entry):
                    yield item
                with self.came:
                    # one that is ahead of the memory waits for it: the cell has said that it holds the position
                    if self.floor is not None and item.position >= self.floor:
                        return
        raise NotHeld

    def _read(self) -> None:
        """Read the cell's events for as long as they are followed."""
        pause = threading.Event()
        seconds = 0.0
        while self._is_followed(ends=True):
            try:
                self._read_once()
                reason = f"{self.cell.url} ended its stream of events"
                # an API that restarts ends its streams, and others of its processes answer
                trouble = "" if self.is_connected else self.cell.error(reason).message
            except _Unfollowed:
                continue
            except JobQueueError as error:
                trouble = error.message
            except Exception:
                logger.exception("The events of the cell %s cannot be read", self.cell.name)
                trouble = self.cell.error("its events cannot be read; the front's log says why").message
            was_connected = self.is_connected
            self._interrupt(trouble)
            seconds = _FIRST_PAUSE if was_connected else min(max(2 * seconds, _FIRST_PAUSE), _LONGEST_PAUSE)
            pause.wait(seconds)

    def _read_once(self) -> None:
        reader = FeedReader(self.cell)
        with self.came:
            self._began = time.monotonic()
        with self.cell.stream(_PATH, _QUERY, last_id=self._last_id, heard=self._check_followed) as events:
            for event in events:
                item = reader.read(event)
                if item is not None:
                    self._take(item)

    def _take(self, item: Item) -> None:
        with self.came:
            if isinstance(item, Waiting):
                self._trouble = item.reason
                self._set_connected(is_connected=False)
            elif isinstance(item, Gap):
                self.gaps += 1
                self._forget("")
                self._observer.missed(self.cell.name)
            else:
                self._move(item)
            self.came.notify_all()

    def _move(self, item: Entry | Place) -> None:
        if self._newest is not None and item.position < self._newest:  # ids only grow
            raise self.cell.error(f"the events of {self.cell.url} are not in order")
        if isinstance(item, Entry):
            self._entries.append(item)
            self._positions.append(item.position)
            self._size += item.size
            self._observer.heard(self.cell.name, max(0.0, time.time() - item.newest / 1e6))
        self._last_id, self._newest = item.id, item.position
        if self.floor is None:
            self.floor = item.position
        self._trouble = ""
        self._set_connected(is_connected=True)
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        if len(self._entries) <= 2 * MOST_ENTRIES and self._size <= MOST_BYTES:
            return
        count = max(len(self._entries) - MOST_ENTRIES, len(self._entries) // 2, 1)
        self.floor = self._positions[count - 1]
        self._size -= sum(entry.size for entry in self._entries[:count])
        del self._entries[:count]
        del self._positions[:count]

    def _interrupt(self, reason: str) -> None:
        with self.came:
            self._trouble = reason
            self._set_connected(is_connected=False)
            self.came.notify_all()

    def _set_connected(self, *, is_connected: bool) -> None:
        if self.is_connected != is_connected:
            self.is_connected = is_connected
            self._observer.connected(self.cell.name, is_connected=is_connected)

    def _check_followed(self) -> None:
        if not self._is_followed(ends=False):
            raise _Unfollowed

    def _is_followed(self, *, ends: bool) -> bool:
        with self.came:
            if self._followers or time.monotonic() - self._left < LINGER_SECONDS:
                return True
            if ends:
                self._reader = None
                self._began, self._trouble = 0.0, ""
                self._set_connected(is_connected=False)
                self._forget("")
            return False

    def _forget(self, last_id: str) -> None:
        self._entries, self._positions, self._size = [], [], 0
        self.floor = self._newest = None
        self._last_id = last_id
