"""The times of a schedule: its timing within its bounds, with jitter and blackouts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

from jobqueue.errors import InvalidInput
from jobqueue.model.schedule import Blackout, Timing
from jobqueue.schedules.cron import Cron
from jobqueue.schedules.interval import Interval, Once
from jobqueue.schedules.recurrence import Recurrence
from jobqueue.schedules.trigger import Trigger
from jobqueue.schedules.zones import zone_of

SECOND = 1_000_000
DAY = 86_400 * SECOND
#: The bounds of `every`, `jitter`, `catch_up` and of a blackout.
MIN_EVERY, MAX_EVERY = SECOND, 3660 * DAY
MAX_JITTER = DAY
MAX_CATCH_UP = 31 * DAY
MIN_BLACKOUT, MAX_BLACKOUT = 60 * SECOND, 31 * DAY
MAX_BLACKOUTS = 20
#: The newest time before a moment is looked for from so far back, then from twice as far, and so on: so only few times
#: are computed, even for a schedule that has not been attended for years.
_FIRST_STEP, _DOUBLINGS = 60 * SECOND, 27
_KINDS = ("cron", "every", "at", "rrule")


class _Never:
    """The times of a schedule that has none of its own."""

    def after(self, moment: int) -> None:
        """No time."""


class Times:
    """The times at which one schedule fires."""

    def __init__(
        self,
        timing: Timing,
        blackouts: Sequence[Blackout] = (),
        uid: str = "",
        *,
        is_timed: bool = True,
        is_new: bool = False,
    ) -> None:
        """Raises ``InvalidInput``, which names the field, for a timing or a blackout that is invalid.

        ``is_timed``: it has times of its own. ``is_new``: they are about to be stored, and cron expressions that surely
        mean other times are refused, too.
        """
        self._trigger = _trigger(timing, is_new=is_new) if is_timed else _untimed(timing)
        self._starts = timing.starts
        self._ends = timing.ends
        self._jitter = timing.jitter
        self._uid = uid
        self._blackouts = [
            _window(timing, blackout, number, is_new=is_new) for number, blackout in enumerate(blackouts)
        ]

    def after(self, moment: int) -> int | None:
        """The first time after ``moment``."""
        if self._starts is not None:
            moment = max(moment, self._starts - 1)
        time = self._trigger.after(moment)
        return None if time is None or (self._ends is not None and time > self._ends) else time

    def newest(self, begin: int, end: int) -> int:
        """The newest time from ``begin``, which is a time, to ``end``."""
        newest = begin
        for doubling in range(_DOUBLINGS):
            first = end - _FIRST_STEP * 2**doubling
            if first <= begin:
                break
            following = self.after(first)
            if following is not None and following <= end:
                newest = following
                break
        while (following := self.after(newest)) is not None and following <= end:
            newest = following
        return newest

    def count(self, begin: int, end: int, most: int) -> int:
        """How many times there are from ``begin``, which is a time, to before ``end``; at most ``most``."""
        number, moment = 0, begin
        while number < most and moment < end:
            number += 1
            following = self.after(moment)
            if following is None:
                break
            moment = following
        return number

    def following(self, moment: int, number: int, end: int | None = None) -> Iterator[int]:
        """The next ``number`` times after ``moment``, before ``end`` if given, without those in a blackout."""
        # a schedule may lie in blackouts almost always
        for _ in range(50 * number):
            following = self.after(moment)
            if following is None or number == 0 or (end is not None and following >= end):
                return
            moment = following
            if not self.is_blacked_out(self.due(moment)):
                number -= 1
                yield moment

    def due(self, moment: int) -> int:
        """When a time fires: after a delay of at most the jitter, always the same for the same time."""
        if not self._jitter:
            return moment
        digest = hashlib.sha256(f"{self._uid}|{moment}".encode()).digest()
        return moment + int.from_bytes(digest[:6], "big") * self._jitter // 2**48

    def is_blacked_out(self, moment: int) -> bool:
        """Whether the moment lies in a blackout."""
        for begins, duration in self._blackouts:
            begin = begins.after(moment - duration)
            if begin is not None and begin <= moment:
                return True
        return False


@lru_cache(maxsize=4096)
def times_of(timing: Timing, blackouts: tuple[Blackout, ...], uid: str, *, is_timed: bool = True) -> Times:
    """The times of a stored schedule; those of the schedules in use are kept."""
    return Times(timing, blackouts, uid, is_timed=is_timed)


def _trigger(timing: Timing, *, is_new: bool) -> Trigger:
    named = [kind for kind in _KINDS if getattr(timing, kind) is not None]
    if len(named) != 1:
        problem = f"{' and '.join(named)} are given" if named else "none is given"
        raise InvalidInput.of("cron" if not named else named[1], f"Give one of cron, every, at and rrule; {problem}.")
    zone = zone_of(timing.time_zone)
    _check_bounds(timing)
    if timing.cron is not None:
        return Cron(timing.cron, zone, is_new=is_new)
    if timing.at is not None:
        return Once(timing.at)
    anchor = timing.anchor or 0
    if timing.every is not None:
        return Interval(timing.every, anchor)
    return Recurrence(timing.rrule or "", anchor, zone)


def _untimed(timing: Timing) -> Trigger:
    """The trigger of a schedule that follows jobs. Raises ``InvalidInput`` for what only times have."""
    for name in (*_KINDS, "anchor"):
        if getattr(timing, name) is not None:
            raise InvalidInput.of(name, "A schedule with after has no times of its own; leave one of them out.")
    if timing.jitter:
        raise InvalidInput.of("jitter", "A schedule with after fires at once; leave it out.")
    _check_bounds(timing)
    return _Never()


def _check_bounds(timing: Timing) -> None:
    if timing.starts is not None and timing.ends is not None and timing.ends < timing.starts:
        raise InvalidInput.of("ends", "Must not be before starts.")


def _window(timing: Timing, blackout: Blackout, number: int, *, is_new: bool) -> tuple[Cron, int]:
    zone = zone_of(timing.time_zone)
    return Cron(blackout.cron, zone, f"blackouts[{number}].cron", is_new=is_new), blackout.duration
