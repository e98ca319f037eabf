"""Times: integers of microseconds since the epoch inside, ISO 8601 with milliseconds and ``Z`` outside.

Microseconds, because the ledger orders jobs and events by them; an integer, because Lua keeps it exactly (< 2**53).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_iso(micros: int) -> str:
    """``1718359200123456`` -> ``"2024-06-14T10:00:00.123Z"``."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch; a naive ``moment`` is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def duration_text(micros: int) -> str:
    """A duration for a person: ``"45ms"``, ``"1.5s"``, ``"1m0s"``, ``"2h5m0s"``."""
    millis = max(0, round(micros / 1000))
    if millis < 1000:
        return f"{millis}ms"
    if millis < 60_000:
        return f"{millis / 1000:.1f}".rstrip("0").rstrip(".") + "s"
    minutes, seconds = divmod(millis // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"
