"""The events of several cells, merged for each follower."""

from __future__ import annotations

import heapq
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jobqueue.cells.cells import Cells
from jobqueue.cells.feed import CellFeed, FeedObserver, NotHeld
from jobqueue.cells.feed_items import Entry, Position
from jobqueue.errors import InvalidInput
from jobqueue.model.job_event import event_position

#: Seconds between two looks at cells that have not begun their events.
_LOOK_SECONDS = 0.1
#: Maximum number of entries of one cell that a follower gets at a time.
_TURN = 500
_ID = re.compile(r"[a-z0-9-]{1,32}:[0-9]{1,20}-[0-9]{1,20}")
_FIELD = "Last-Event-ID"
_MISSED = "Cell {cell}: some events may be missing."


@dataclass(frozen=True)
class Signal:
    """How a cell's events continue: ``waiting``, it sends none, ``reason`` says why; ``resumed``, it does again, and
    none is missing; ``reset``, some may be missing.
    """

    kind: str
    cell: str
    reason: str = ""


@dataclass(frozen=True)
class Turn:
    """What has happened, in order of time, and the id from which a follower resumes behind it."""

    items: tuple[Entry | Signal, ...]
    id: str


class Feeds:
    """The feeds of all cells. Threads may share them."""

    def __init__(self, cells: Cells, observer: FeedObserver) -> None:
        self._came = threading.Condition()
        self._feeds = {name: CellFeed(cell, self._came, observer) for name, cell in cells.by_name.items()}

    def follow(
        self, after: str | None = None, cells: Iterable[str] | None = None, wait_seconds: float = 1.0
    ) -> Iterator[Turn]:
        """The events of all cells, or of those that ``cells`` names, as they happen, without an end.

        They begin with this call, or behind the id of a turn, ``after``. A turn without items comes at least every
        ``wait_seconds``. A cell that the id does not name begins with ``reset``. Raises ``InvalidInput`` for anything
        but an id of a turn.
        """
        positions = positions_of(after)
        names = sorted(self._feeds if cells is None else set(cells) & self._feeds.keys())
        places = [_Place(self._feeds[name], positions.get(name), is_resumed=bool(after)) for name in names]
        self._await(places)
        for place in places:
            place.settle()
        return self._follow(places, wait_seconds)

    def _await(self, places: list[_Place]) -> None:
        """Wait until each cell sends events or is known not to: from then on, no event is missed."""
        end = time.monotonic() + max((place.feed.cell.stream_seconds for place in places), default=0.0)
        while True:
            for place in places:
                place.feed.start(place.id)
            with self._came:
                if time.monotonic() > end or all(feed.is_connected or feed.trouble for feed in map(_feed, places)):
                    return
                self._came.wait(_LOOK_SECONDS)

    def _follow(self, places: list[_Place], wait_seconds: float) -> Iterator[Turn]:
        for place in places:
            place.feed.join()
        try:
            yield Turn((), _id_of(places))
            while True:
                for place in places:
                    if place.needs_to_catch_up():
                        yield from self._caught_up(place, places)
                with self._came:
                    self._came.wait_for(lambda: any(place.has_items() for place in places), timeout=wait_seconds)
                    items = _merged([place.take() for place in places])
                yield Turn(items, _id_of(places))
        finally:
            for place in places:
                place.feed.leave()

    def _caught_up(self, place: _Place, places: list[_Place]) -> Iterator[Turn]:
        entries: list[Entry] = []
        try:
            for entry in place.feed.catch_up(place.id or ""):
                entries.append(entry)
                place.move(entry)
                if len(entries) == _TURN:
                    yield Turn(tuple(entries), _id_of(places))
                    entries = []
        except NotHeld:
            place.lose()
        if entries:
            yield Turn(tuple(entries), _id_of(places))


class _Place:
    """A follower's place in the events of one cell."""

    def __init__(self, feed: CellFeed, after: str | None, *, is_resumed: bool) -> None:
        self.feed = feed
        #: The id behind which the follower continues; None before that is known.
        self.id = after
        self._position = None if after is None else event_position(after)
        self._gaps = feed.gaps
        self._is_told_away = False
        #: Whether the follower must be told that events may be missing.
        self._is_lost = is_resumed and after is None
        #: Whether the cell has confirmed the position, so that the follower need not catch up.
        self._is_confirmed = after is None

    def settle(self) -> None:
        """A follower from now on begins where the cell is."""
        with self.feed.came:
            if self._position is None and self.feed.is_connected and self._gaps == self.feed.gaps:
                self._begin(self.feed.newest)

    def needs_to_catch_up(self) -> bool:
        """Whether the follower resumes at a position that is not in memory."""
        with self.feed.came:
            if self._is_confirmed or not self.feed.is_connected or self._gaps != self.feed.gaps:
                return False
            self._is_confirmed = True  # it is tried once
            return self._position is not None and not self.feed.reaches(self._position)

    def has_items(self) -> bool:
        """Whether ``take`` has something, or it is time to catch up."""
        feed, position = self.feed, self._position
        if position is not None and self._is_confirmed and feed.newest is not None and feed.newest > position:
            return True
        if not feed.is_connected:
            return bool(feed.trouble) and not self._is_told_away
        is_new = self._is_told_away or self._is_lost or feed.gaps != self._gaps
        return is_new or position is None or not self._is_confirmed

    def move(self, entry: Entry) -> None:
        """The follower has got an entry."""
        self.id, self._position = entry.id, entry.position

    def lose(self) -> None:
        """The follower's position cannot be used: it must be told, and continues with what is new."""
        self._is_lost, self._position, self.id = True, None, None

    def take(self) -> list[Entry | Signal]:
        """What is new; the lock of the feed is held."""
        if not self.feed.is_connected:
            return [*self._entries(), *self._absence()]
        items = self._presence()
        return [*items, *self._entries()]

    def _absence(self) -> list[Signal]:
        feed = self.feed
        if self._is_told_away or not feed.trouble:
            return []
        self._is_told_away = True
        return [Signal("waiting", feed.cell.name, feed.trouble)]

    def _presence(self) -> list[Signal]:
        """What a follower must know before the events of a cell that sends them."""
        feed, name = self.feed, self.feed.cell.name
        # what followed a gap, or the return of a cell that was away when the follower came, is all in memory
        begin = feed.newest if self._is_lost else feed.floor
        if feed.gaps != self._gaps or (self._is_told_away and self._position is None):
            self.lose()
        signals: list[Signal] = []
        if self._is_lost:
            signals.append(Signal("reset", name, _MISSED.format(cell=name)))
        elif self._is_told_away:
            signals.append(Signal("resumed", name))
        self._gaps, self._is_told_away, self._is_lost = feed.gaps, False, False
        if self._position is None:
            self._begin(begin)
        return signals

    def _entries(self) -> list[Entry]:
        feed = self.feed
        if self._position is None or feed.newest is None or not self._is_confirmed:
            return []
        if not feed.reaches(self._position):
            if feed.newest > self._position:  # the follower is too slow
                self.lose()
            return []
        entries = feed.entries_after(self._position, _TURN)
        if entries:
            self.move(entries[-1])
        return entries

    def _begin(self, position: Position | None) -> None:
        if position is not None:
            self._position, self.id = position, f"{position[0]}-{position[1]}"
            self._is_confirmed = True


def positions_of(text: str | None) -> dict[str, str]:
    """The positions by cell in the id of a turn. Raises ``InvalidInput`` for anything else."""
    if not text:
        return {}
    parts = text.split(",")
    if not all(_ID.fullmatch(part) for part in parts):
        sentence = "Must be the id of an event of this stream; leave it out to begin now."
        raise InvalidInput.of(_FIELD, sentence)
    positions = dict(part.split(":", 1) for part in parts)
    for position in positions.values():
        event_position(position)
    return positions


def _feed(place: _Place) -> CellFeed:
    return place.feed


def _id_of(places: list[_Place]) -> str:
    return ",".join(f"{place.feed.cell.name}:{place.id}" for place in places if place.id is not None)


def _merged(taken: list[list[Entry | Signal]]) -> tuple[Entry | Signal, ...]:
    """Signals first, then the entries of all cells in order of their positions, which are times."""
    signals = [item for items in taken for item in items if isinstance(item, Signal)]
    entries = [[item for item in items if isinstance(item, Entry)] for items in taken]
    return (*signals, *heapq.merge(*entries, key=lambda entry: entry.position))
