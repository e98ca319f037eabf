"""Cron expressions with five fields, as Debian's cron reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from jobqueue.errors import InvalidInput
from jobqueue.model.timestamps import to_micros
from jobqueue.schedules import cron_faults
from jobqueue.schedules.zones import UTC, instant, local, next_change

MAX_EXPRESSION = 200
_FIELDS = 5
#: Short forms, and what they stand for.
SHORT_FORMS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: Times of the hour or day that the clocks repeat, which lie before the moment that is asked for.
_MOST_REPEATED = 2 * 24 * 60
_SECOND = timedelta(seconds=1)
#: Debian's cron reads 7-7/3 as 7, the simulation as 7/3.
_RANGE_OF_ONE = re.compile(r"\b(\w+)-\1/[1-9][0-9]*(?![\w/-])")
#: An expression is refused unless it matches a time within the years from here on.
_REFERENCE = 1_767_225_600_000_000


class Cron:
    """The times of a cron expression in a time zone.

    Expressions whose minute and hour are both fixed run once at a time that exists twice, and right after the gap if
    the clocks skip it. Others (``*/15 * * * *``) follow the clock.
    """

    def __init__(self, expression: str, zone: tzinfo, field: str = "cron", *, is_new: bool = False) -> None:
        """Raises ``InvalidInput`` for an expression that is invalid or matches no day; ``field`` names it.

        ``is_new``: one that surely means other times is refused, too; schedules that were stored before keep it.
        """
        self._zone = zone
        self._expression = _checked(expression, field)
        self._follows_the_clock = any(part.startswith("*") for part in self._expression.split()[:2])
        try:
            matches = self.after(_REFERENCE) is not None
        except CronSimError as error:
            raise InvalidInput.of(field, _explained(expression, str(error))) from error
        if is_new and (surprise := cron_faults.surprise(self._expression)):
            raise InvalidInput.of(field, surprise)
        if not matches:
            raise InvalidInput.of(field, f"{expression[:80]!r} matches no day of the next 50 years.")

    def after(self, moment: int) -> int | None:
        return self._following_the_clock(moment) if self._follows_the_clock else self._once(moment)

    def _once(self, moment: int) -> int | None:
        """The first time after ``moment``, for an expression whose times come once a day."""
        for time in self._shown(_naive(moment, self._zone), _MOST_REPEATED):
            if (candidate := instant(time, self._zone)) > moment:
                return candidate
        return None

    def _following_the_clock(self, moment: int) -> int | None:
        """The first moment after ``moment`` at which the clock shows a matching time."""
        begin = moment
        while True:
            shown = _naive(begin, self._zone)
            candidate = next((to_micros(time) + begin - to_micros(shown) for time in self._shown(shown, 1)), None)
            if candidate is None or self._zone is UTC:
                return candidate
            change = next_change(begin, candidate, self._zone)
            if change is None:
                return candidate
            if (at_once := _naive(change, self._zone)) in self._shown(at_once - _SECOND, 1):
                return change
            begin = change

    def _shown(self, after: datetime, most: int) -> Iterator[datetime]:
        """The next matching times on a clock that is never changed.

        The simulation counts on whole hours between two changes of the clocks, and so skips times in zones that change
        by half an hour or at a quarter to the hour.
        """
        times = CronSim(self._expression, after)
        for _ in range(most):
            try:
                yield next(times)
            except (StopIteration, OverflowError):
                return


def _naive(moment: int, zone: tzinfo) -> datetime:
    return local(moment, zone).replace(tzinfo=None)


def _checked(expression: str, field: str) -> str:
    """The expression's five fields, without its short form."""
    words = expression.strip()
    if words.startswith("@"):
        if words.lower() not in SHORT_FORMS:
            short_forms = ", ".join(SHORT_FORMS)
            raise InvalidInput.of(field, f"Unknown short form {words[:80]!r}; the known ones are {short_forms}.")
        return SHORT_FORMS[words.lower()]
    count = len(words.split())
    if len(words) > MAX_EXPRESSION:
        raise InvalidInput.of(field, f"Must be at most {MAX_EXPRESSION} characters long.")
    if count != _FIELDS:
        sentence = (
            f"{words[:80]!r} has {count} {'field' if count == 1 else 'fields'}; give five: minute, hour, day of the "
            "month, month, day of the week."
        )
        raise InvalidInput.of(
            field, sentence + (" Seconds are not supported; use `every`." if count == _FIELDS + 1 else "")
        )
    return _RANGE_OF_ONE.sub(r"\1", words)


_ALLOWED = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW, and must exist in a month of the expression",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday) or SUN-SAT, as in 5L or MON#1",
}


def _explained(expression: str, problem: str) -> str:
    sentence = cron_faults.fault(expression)
    if sentence:
        return sentence
    name = problem.removeprefix("Bad ")
    allowed = _ALLOWED.get(name)
    if allowed is None:
        return f"{expression[:80]!r} is not a cron expression ({problem})."
    return (
        f"The {name.replace('-', ' ')} of {expression[:80]!r} is invalid; allowed are {allowed}, lists (1,2), ranges "
        "(1-5) and steps (*/2)."
    )
