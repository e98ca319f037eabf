"""Recurrence rules (RRULE of RFC 5545), from days to years."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from dateutil.rrule import DAILY, WEEKLY, YEARLY, rrule, rrulestr

from jobqueue.errors import InvalidInput
from jobqueue.schedules.zones import instant, local

MAX_RULE = 300
#: The most times of a rule that is limited by COUNT, and the most times of one day.
MAX_COUNT, MAX_TIMES_OF_DAY = 1000, 48
_MAX_INTERVAL = 1000
_TEXT = re.compile(r"(?:RRULE:)?((?:[A-Z]+=[A-Z0-9+,-]+)(?:;[A-Z]+=[A-Z0-9+,-]+)*)", re.IGNORECASE)
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "BYHOUR", "BYMINUTE", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH"}
    | {"BYSETPOS", "WKST"}
)
#: The largest number of each list, and whether negative numbers count from the end; 0 is then not allowed (RFC 5545).
_NUMBERS = {
    "BYHOUR": (23, False),
    "BYMINUTE": (59, False),
    "BYMONTH": (12, False),
    "BYMONTHDAY": (31, True),
    "BYYEARDAY": (366, True),
    "BYWEEKNO": (53, True),
    "BYSETPOS": (366, True),
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(?:MO|TU|WE|TH|FR|SA|SU)")
_MOST_WEEKS, _MOST_WEEKS_OF_MONTH = 53, 5
#: The frequencies with which RFC 5545 allows a part.
_ONLY_WITH = {
    "BYMONTHDAY": ("DAILY", "MONTHLY", "YEARLY"),
    "BYYEARDAY": ("YEARLY",),
    "BYWEEKNO": ("YEARLY",),
}
#: Rules are searched for their next time so far ahead: the 29th of February on a given weekday comes every 28 years,
#: or after 40 years around a year such as 2100.
_AHEAD = timedelta(days=41 * 366)
_AHEAD_OF_DAYS = timedelta(days=13 * 366)
#: The largest change of the clocks, and some: times on the wall are looked for from so long before the moment.
_MARGIN = timedelta(hours=26)


class Recurrence:
    """The times of a rule whose first time is ``anchor`` (microseconds), on the clocks of a zone.

    A time that the clocks skip comes right after the gap, one that exists twice comes once.
    """

    def __init__(self, text: str, anchor: int, zone: tzinfo) -> None:
        """Raises ``InvalidInput`` for an invalid rule, and for one without any time."""
        parts = _parts(text)
        self._zone = zone
        self._begin = local(anchor, zone).replace(tzinfo=None, microsecond=0)
        self._is_counted = "COUNT" in parts
        try:
            rule = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=self._begin)
        except (ValueError, TypeError) as error:
            raise _invalid(f"{text[:80]!r} is not a recurrence rule ({error}).") from error
        self._rule: rrule = rule
        if not self._is_counted and self.after(anchor - 1) is None:
            raise _invalid(f"{text[:80]!r} has no time in the years that follow.")

    def after(self, moment: int) -> int | None:
        wall = local(moment, self._zone).replace(tzinfo=None)
        begin = self._begin
        if not self._is_counted:
            begin = self._nearest(wall)
        ahead = _AHEAD_OF_DAYS if self._rule._freq in (DAILY, WEEKLY) else _AHEAD
        last = max(wall, begin) + ahead
        rule = self._rule.replace() if self._is_counted else self._rule.replace(dtstart=begin, until=last)
        search = _watched(rule)
        most_days = search.days_left = (last - begin if not self._is_counted else ahead).days + 366
        try:
            for candidate in rule.xafter(wall - _MARGIN, inc=True):
                time = instant(candidate, self._zone)
                if time > moment:
                    return time
                search.days_left = most_days
        except _SearchedInVain:
            pass
        return None

    def _nearest(self, wall: datetime) -> datetime:
        """A time of the rule's rhythm shortly before ``wall``, so that the search need not begin with the first."""
        days = {DAILY: 1, WEEKLY: 7}.get(self._rule._freq)
        if days is None or wall - self._begin < 2 * _MARGIN:
            return self._begin
        step = timedelta(days=days * self._rule._interval)
        return self._begin + max((wall - 2 * _MARGIN - self._begin) // step - 1, 0) * step


class _SearchedInVain(Exception):
    """As many days as a schedule looks ahead were examined, and none fits."""


def _watched(rule: rrule) -> _Search:
    """Let the rule count the days that it examines."""
    if rule._freq == YEARLY and rule._bynweekday and not rule._bymonth:
        # months would turn 20MO, the 20th Monday of the year, into one of a month
        rule._byweekday = search = _Search(range(7))
    else:
        rule._bymonth = search = _Search(rule._bymonth or range(1, 13))
    return search


class _Search(tuple[int, ...]):
    """The months (or weekdays) of a rule, which dateutil asks for each day that it examines.

    A rule without any further time (the 30th of February) would be searched until the year 9999, as UNTIL is compared
    with times that fit alone; that takes minutes.
    """

    days_left: int

    def __contains__(self, month: object) -> bool:
        self.days_left -= 1
        if self.days_left < 0:
            raise _SearchedInVain
        return super().__contains__(month)


def _invalid(sentence: str) -> InvalidInput:
    return InvalidInput.of("rrule", sentence)


def _parts(text: str) -> dict[str, str]:
    """The parts of a rule, which must not cost more than a schedule may."""
    match = _TEXT.fullmatch(text.strip()) if len(text) <= MAX_RULE else None
    if match is None:
        raise _invalid(f"{text[:80]!r} is not a recurrence rule such as FREQ=MONTHLY;BYDAY=-1FR.")
    pairs = [part.upper().partition("=")[::2] for part in match[1].split(";")]
    parts = dict(pairs)
    if len(parts) < len(pairs):
        raise _invalid("A part is given twice.")
    unknown = sorted(parts.keys() - _PARTS)
    if unknown:
        hint = " Use `ends`." if unknown == ["UNTIL"] else ""
        raise _invalid(f"{unknown[0]} is not supported; use {', '.join(sorted(_PARTS))}.{hint}")
    if parts.get("FREQ") not in _FREQUENCIES:
        sentence = f"FREQ must be one of {', '.join(_FREQUENCIES)}; use `every` or `cron` for shorter intervals."
        raise _invalid(sentence)
    _check_number(parts, "COUNT", MAX_COUNT)
    _check_number(parts, "INTERVAL", _MAX_INTERVAL)
    _check_lists(parts)
    per_day = (parts.get("BYHOUR", "0").count(",") + 1) * (parts.get("BYMINUTE", "0").count(",") + 1)
    if per_day > MAX_TIMES_OF_DAY:
        raise _invalid(f"{per_day} times of day; give at most {MAX_TIMES_OF_DAY}, or use `cron`.")
    return parts


def _check_lists(parts: dict[str, str]) -> None:
    """Refuse what RFC 5545 does not allow: dateutil ignores some of it, and the schedule would fire more often."""
    frequency = parts["FREQ"]
    for name in sorted(parts.keys() & _NUMBERS.keys()):
        most, counts_from_end = _NUMBERS[name]
        least = 1 if counts_from_end or name == "BYMONTH" else 0
        for number in parts[name].split(","):
            is_signed = number[:1] in ("+", "-")
            is_number = _NUMBER.fullmatch(number) is not None and (counts_from_end or not is_signed)
            if not is_number or not least <= abs(int(number)) <= most:
                negative = f", or from -{most} to -1 to count from the end" if counts_from_end else ""
                rule = ";".join("=".join(part) for part in parts.items())[:80]
                sentence = f"{name} must be from {least} to {most}{negative}; {number[:20]!r} in {rule!r} is not."
                raise _invalid(sentence)
        if frequency not in _ONLY_WITH.get(name, _FREQUENCIES):
            raise _invalid(f"{name} needs FREQ={' or '.join(_ONLY_WITH[name])}, not {frequency}.")
    if "BYSETPOS" in parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in parts):
        raise _invalid("BYSETPOS needs another part such as BYDAY, whose times it counts.")
    if "BYDAY" in parts:
        _check_weekdays(parts)


def _check_weekdays(parts: dict[str, str]) -> None:
    days = [_WEEKDAY.fullmatch(day) for day in parts["BYDAY"].split(",")]
    numbers = [day[1] for day in days if day is not None and day[1]]
    if not all(days) or not all(1 <= abs(int(number)) <= _MOST_WEEKS for number in numbers):
        raise _invalid(f"BYDAY must be days such as MO,WE or 1MO or -1FR; {parts['BYDAY'][:40]!r} is not.")
    if not numbers:
        return
    if parts["FREQ"] not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts:
        sentence = "A number in BYDAY (1MO, the first Monday) needs FREQ=MONTHLY, or YEARLY without BYWEEKNO."
        raise _invalid(sentence)
    counts_in_months = parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts
    if counts_in_months and not all(abs(int(number)) <= _MOST_WEEKS_OF_MONTH for number in numbers):
        raise _invalid(f"A month has at most five of a day; {parts['BYDAY'][:40]!r} has a larger number.")
    if len(numbers) < len(days):
        raise _invalid("BYDAY may not mix days with and without a number; use two schedules.")


def _check_number(parts: dict[str, str], name: str, most: int) -> None:
    value = parts.get(name, "1")
    if not value.isdecimal() or len(value) > len(str(most)) or not 1 <= int(value) <= most:
        raise _invalid(f"{name} must be from 1 to {most}; {value[:20]!r} is not.")
