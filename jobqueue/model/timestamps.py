"""Times: integers of microseconds since the epoch internally, ISO 8601 with milliseconds and ``Z`` externally.

Microseconds, because the ledger orders jobs and events by them; integers, because Lua represents them exactly (<
2**53).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_iso(micros: int) -> str:
    """``1718359200123456`` -> ``"2024-06-14T10:00:00.123Z"``."""
    second, rest = divmod(micros, 1_000_000)
    return f"{_second_text(second)}.{rest // 1000:03d}Z"


def nanos_to_iso(nanos: int) -> str:
    """``1718359200123456789`` -> ``"2024-06-14T10:00:00.123456789Z"``."""
    second, rest = divmod(nanos, 1_000_000_000)
    return f"{_second_text(second)}.{rest:09d}Z"


@lru_cache(maxsize=4096)  # the times of one answer lie close together, and strftime is slow
def _second_text(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def from_iso(text: str) -> int:
    """Microseconds since the epoch of a time in ISO 8601; without a zone, in UTC. Raises ``ValueError``."""
    return to_micros(parse_iso(text))


def parse_iso(text: str) -> datetime:
    """A time in ISO 8601; naive if it has no zone. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text.strip())
    # Python 3.11 accepts +25:00 and shifts the time by more than a day
    if (offset := moment.utcoffset()) is not None and abs(offset) >= timedelta(days=1):
        raise ValueError(f"{text[-6:]!r} is not an offset from UTC")
    return moment


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
        return f"{millis // 100 / 10:g}s"  # never rounded up to 60s
    minutes, seconds = divmod(millis // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s"
