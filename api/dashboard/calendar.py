"""The calendar of schedules: what fired, and what will, on each day of a month."""

from __future__ import annotations

import calendar
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from flask import Response

from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.schedules import when_of
from jobqueue.model.record_name import MAX_NAME
from jobqueue.model.schedule import Outcome, ScheduleView
from jobqueue.model.stored_limits import KEPT_RESULTS
from jobqueue.schedules.zones import UTC, instant, local

#: Schedules on one page, and times of each that are computed: one that fires more often is named beside the calendar.
_SCHEDULES, _TIMES = 50, 62
_MONTH_LENGTH = 7
#: The years that are shown.
_YEARS = range(2000, 2200)


@dataclass
class Day:
    """A day of the calendar: for each schedule, how many times it will fire, and how its past times ended."""

    date: date
    is_of_month: bool
    coming: Counter[str] = field(default_factory=Counter)
    past: Counter[tuple[str, Outcome]] = field(default_factory=Counter)


@blueprint.get(f"{PREFIX}/calendar")
def schedule_calendar() -> Response:
    """A month of the schedules of one page, in UTC."""
    now = services().ledger.time()
    month = _month(query.text("month", _MONTH_LENGTH), _day(now))
    views, total, following = services().schedules.page(query.text("after", MAX_NAME), _SCHEDULES, KEPT_RESULTS)
    weeks = [
        [Day(day, day.month == month.month) for day in week]
        for week in calendar.Calendar().monthdatescalendar(month.year, month.month)
    ]
    days = {day.date: day for week in weeks for day in week}
    begin, end = _instant(weeks[0][0].date), _instant(weeks[-1][-1].date + timedelta(days=1))
    frequent = [view for view in views if not _fill(days, view, max(now, begin - 1), end)]
    return pages.render(
        "calendar.html",
        weeks=weeks,
        month=month,
        today=_day(now),
        title=f"{calendar.month_name[month.month]} {month.year}",
        names=calendar.day_abbr,
        earlier=_link(month.replace(day=1) - timedelta(days=1)),
        later=_link(month.replace(day=28) + timedelta(days=4)),
        frequent=frequent,
        when_of=when_of,
        kept=KEPT_RESULTS,
        total=total,
        shown=len(views),
        older=query.with_changes(after=following) if following else "",
    )


def _fill(days: dict[date, Day], view: ScheduleView, after: int, end: int) -> bool:
    """Enter a schedule's results and next times; False if there are more next times than are computed."""
    schedule = view.schedule
    for result in view.results:
        if (day := days.get(_day(result.begin))) is not None:
            day.past[schedule.name, result.outcome] += result.count
    if schedule.pause is not None:
        return True
    times = services().schedules.next_times(schedule, after, _TIMES, end)
    if len(times) == _TIMES:
        return False
    for moment in times:
        if (day := days.get(_day(moment))) is not None:
            day.coming[schedule.name] += 1
    return True


def _month(text: str, today: date) -> date:
    """The first day of the month ``YYYY-MM``; else of the present one."""
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)
    return month if month.year in _YEARS else today.replace(day=1)


def _link(day: date) -> str:
    return query.with_changes(month=day.isoformat()[:_MONTH_LENGTH]) if day.year in _YEARS else ""


def _day(moment: int) -> date:
    return local(moment, UTC).date()


def _instant(day: date) -> int:
    return instant(datetime.combine(day, time()), UTC)
