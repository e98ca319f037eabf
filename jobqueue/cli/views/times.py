"""Times and durations as people write and read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from jobqueue.model.durations import UNITS, parse_duration
from jobqueue.model.timestamps import duration_text, from_iso, parse_iso, to_iso, to_micros

_MOMENTS = "write a UTC time such as 2030-01-31T12:00:00Z, or a duration such as 10m."


def parse_moment(text: str, now: datetime, *, past: bool) -> str:
    """ISO 8601 in UTC of a time as ISO 8601 (UTC unless it names a zone), or of a duration before or after ``now``."""
    text = text.strip()
    if "-" not in text:
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is neither a duration nor a time; {_MOMENTS}") from error
        try:
            return to_iso(to_micros(now + timedelta(seconds=-seconds if past else seconds)))
        except OverflowError as error:
            raise ValueError(f"{text!r} from now is beyond the calendar.") from error
    try:
        return to_iso(from_iso(re.sub(r"z$", "Z", text)))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time; {_MOMENTS}") from error


def ago(iso: str, now: datetime) -> str:
    """``"3m ago"`` for a time of the API; other texts are returned unchanged."""
    try:
        moment = parse_iso(iso)
    except ValueError:
        return iso
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return f"in {_rough(-seconds)}"
    return f"{_rough(seconds)} ago"


def between(begin: str | None, end: str | None) -> str:
    """``"1.5s"`` from one time of the API to another; empty if one of them is none."""
    seconds = seconds_between(begin, end)
    return "" if seconds is None else duration_text(round(seconds * 1e6))


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """The seconds from one time of the API to another; None if one of them is none."""
    try:
        began, ended = (parse_iso(str(moment)) for moment in (begin, end))
        return (ended - began).total_seconds()
    except (ValueError, TypeError):  # not times, or only one of them with a zone
        return None


def span(durations: list[str]) -> str:
    """``["45ms", "1.5s"]`` -> ``"45ms to 1.5s"``; ``"-"`` for none. Other texts are listed unchanged."""
    if not durations:
        return "-"
    try:
        seconds = [parse_duration(text) for text in durations]
    except ValueError:
        return ", ".join(sorted(set(durations)))
    shortest, longest = (duration_text(round(limit(seconds) * 1e6)) for limit in (min, max))
    return shortest if shortest == longest else f"{shortest} to {longest}"


def _rough(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds >= UNITS[unit]:
            return f"{int(seconds // UNITS[unit])}{unit}"
    return f"{int(seconds)}s"
