"""Time zones by name, and the instants at which a wall clock shows a time."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache

from jobqueue.errors import InvalidInput

UTC = timezone.utc
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_NAME = 64
#: Zones of the database that are no place, or another one on each host.
_NO_ZONES = frozenset({"localtime", "Factory", "posixrules"})
#: Two changes of the clocks are further apart.
_MICROS_BETWEEN_CHANGES = 7 * 86_400 * 1_000_000


@cache
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The time zone of this name in the IANA database. Raises ``InvalidInput``."""
    if name == "UTC":
        return UTC
    if name not in _names():
        near = difflib.get_close_matches(name[:_NAME], sorted(_names()), n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else "give an IANA name such as Europe/Berlin, or UTC."
        raise InvalidInput.of("time_zone", f"Unknown time zone {name[:_NAME]!r}; {hint}")
    return zoneinfo.ZoneInfo(name)


def local(moment: int, zone: tzinfo) -> datetime:
    """What a clock in the zone shows at a moment (microseconds)."""
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(zone)


def instant(wall: datetime, zone: tzinfo) -> int:
    """The moment (microseconds) at which clocks of the zone first show ``wall`` (naive).

    For a time that a change of the clocks skips, the moment right after the gap.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != wall:
        moment = _end_of_gap(wall, zone)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def next_change(begin: int, end: int, zone: tzinfo) -> int | None:
    """The first change of the clocks after ``begin`` and not after ``end`` (microseconds), if there is one."""
    offset = local(begin, zone).utcoffset()
    while begin < end:
        probe = min(begin + _MICROS_BETWEEN_CHANGES, end)
        if local(probe, zone).utcoffset() != offset:
            before, after = begin // 1_000_000, -(-probe // 1_000_000)
            while after - before > 1:
                middle = (before + after) // 2
                if local(middle * 1_000_000, zone).utcoffset() == offset:
                    before = middle
                else:
                    after = middle
            return after * 1_000_000
        begin = probe
    return None


def _end_of_gap(wall: datetime, zone: tzinfo) -> datetime:
    """The change of the clocks that skips ``wall``: the first second with the new offset."""
    # before the gap's end by the offset that follows it, behind it by the one that precedes it
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC).replace(microsecond=0) + _SECOND
    offset = after.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
