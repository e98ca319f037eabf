"""Rundeck's schedules, which Quartz reads, as cron expressions of schedules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.imports.crontab_times import FIELDS, Field, expression
from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.cli.imports.rundeck_values import check_fields
from jobqueue.cli.views.text import one_line

_WHOLE = ("*", "?")
_NUMBER = re.compile(r"[0-9]{1,2}")
#: The last day of the month, its last weekday, the last Friday, the third Friday: schedules have these, too.
_LAST_DAYS = ("L", "LW")
_NTH_WEEKDAY = re.compile(r"([1-7]|[A-Z]{3})(L|#[1-5])")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def cron_of(schedule: Any) -> str:
    """The five fields of a schedule with the same times. Raises ``NotTakenOver``."""
    if not isinstance(schedule, Mapping):
        raise NotTakenOver("its schedule is not an object.")
    seconds, minute, hour, day, month, weekday, year = _fields(schedule)
    if seconds not in ("0", "00"):
        raise NotTakenOver(f"its schedule has the seconds {one_line(seconds)!r}; schedules begin at full minutes.")
    if year not in (*_WHOLE, ""):
        raise NotTakenOver(f"its schedule has the year {one_line(year)!r}; schedules have `starts` and `ends` instead.")
    if day not in _WHOLE and weekday not in _WHOLE:
        raise NotTakenOver("its schedule has a day of the month and a day of the week, which Quartz refuses.")
    days = "*" if day == "?" else day
    weekdays = "*" if weekday == "?" else _weekdays(weekday)
    # what only schedules and Quartz know replaces a star in the check of the other fields
    checked_day = "*" if days in _LAST_DAYS else days
    checked_weekday = "*" if _NTH_WEEKDAY.fullmatch(weekday) or weekday == "L" else weekdays
    plain = map(_steps, (minute, hour, checked_day, month), FIELDS)
    fields = expression([*plain, checked_weekday]).split()
    fields[2] = days if checked_day != days else fields[2]
    fields[4] = weekdays if checked_weekday != weekdays else fields[4]
    return " ".join(fields)


def _fields(schedule: Mapping[str, Any]) -> list[str]:
    """Quartz' seven fields: seconds, minute, hour, day of the month, month, day of the week, year."""
    if "crontab" in schedule:
        fields = str(schedule["crontab"]).upper().split()
        if len(schedule) > 1 or len(fields) not in (6, 7):
            raise NotTakenOver(f"its crontab {one_line(schedule['crontab'])!r} has not six or seven fields.")
        return [*fields, "*"][:7]
    check_fields(schedule, ("time", "month", "year", "dayofmonth", "weekday"), "its schedule")
    time = _part(schedule, "time", ("hour", "minute", "seconds"))
    day = _part(schedule, "dayofmonth", ("day",)).get("day", "*")
    weekday = _part(schedule, "weekday", ("day",)).get("day", "*")
    month, year = str(schedule.get("month", "*")), str(schedule.get("year", "*"))
    fields = [time.get("seconds", "0"), time.get("minute", "0"), time.get("hour", "0"), day, month, weekday, year]
    return [text.strip().upper() for text in fields]


def _part(schedule: Mapping[str, Any], name: str, known: tuple[str, ...]) -> dict[str, str]:
    part = schedule.get(name, {})
    if not isinstance(part, Mapping) or part.keys() - set(known):
        raise NotTakenOver(f"the {name} of its schedule is not an object with {', '.join(known)} only.")
    return {key: str(value) for key, value in part.items()}


def _steps(text: str, field: Field) -> str:
    """The field with ranges instead of a single number before a step: Quartz reads 5/15 as 5-59/15."""
    items = []
    for item in text.split(","):
        begin, slash, step = item.partition("/")
        if slash and _NUMBER.fullmatch(begin):
            begin = "*" if int(begin) == field.least else f"{begin}-{field.most}"
        items.append(f"{begin}{slash}{step}")
    return ",".join(items)


def _weekdays(text: str) -> str:
    """Days of the week as cron numbers them: from 0, while Quartz counts from 1 (Sunday)."""
    if text == "L":
        return "6"
    nth = _NTH_WEEKDAY.fullmatch(text)
    if nth:
        return f"{_weekday(nth[1])}{nth[2]}"
    items = []
    for item in text.split(","):
        days, slash, step = item.partition("/")
        if slash and "-" not in days and days != "*":
            days = f"{days}-7"
        items.append("-".join(word if word == "*" else str(_weekday(word)) for word in days.split("-")) + slash + step)
    return ",".join(items)


def _weekday(word: str) -> int:
    if word in _DAYS:
        return _DAYS.index(word)
    if not word.isdecimal() or not 1 <= int(word) <= 7:
        raise NotTakenOver(f"its schedule has the day of the week {one_line(word)!r}; Quartz has 1-7 and SUN-SAT.")
    return int(word) - 1
