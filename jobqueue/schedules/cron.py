"""Cron expressions with five fields, as Debian's cron reads them."""

from __future__ import annotations

from datetime import tzinfo

from cronsim import CronSim, CronSimError

from jobqueue.errors import InvalidInput
from jobqueue.model.timestamps import to_micros
from jobqueue.schedules.zones import UTC, local

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
#: An expression is refused unless it matches a time within the years from here on.
_REFERENCE = 1_767_225_600_000_000


class Cron:
    """The times of a cron expression in a time zone.

    Expressions whose minute and hour are both fixed run once at a time that exists twice, and right after the gap if
    the clocks skip it. Others (``*/15 * * * *``) follow the clock.
    """

    def __init__(self, expression: str, zone: tzinfo, field: str = "cron") -> None:
        """Raises ``InvalidInput`` for an expression that is invalid or matches no day; ``field`` names it."""
        self._zone = zone
        self._expression = _checked(expression, field)
        try:
            matches = self.after(_REFERENCE) is not None
        except CronSimError as error:
            raise InvalidInput.of(field, _explained(expression, str(error))) from error
        if not matches:
            raise InvalidInput.of(field, f"{expression[:80]!r} matches no day of the next 50 years.")

    def after(self, moment: int) -> int | None:
        times = CronSim(self._expression, local(moment, self._zone))
        for _ in range(_MOST_REPEATED):
            try:
                time = to_micros(next(times).astimezone(UTC))
            except (StopIteration, OverflowError):
                return None
            if time > moment:
                return time
        return None


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
    return words


_ALLOWED = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW, and must exist in a month of the expression",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday) or SUN-SAT, as in 5L or MON#1",
}


def _explained(expression: str, problem: str) -> str:
    name = problem.removeprefix("Bad ")
    allowed = _ALLOWED.get(name)
    if allowed is None:
        return f"{expression[:80]!r} is not a cron expression ({problem})."
    return (
        f"The {name.replace('-', ' ')} of {expression[:80]!r} is invalid; allowed are {allowed}, lists (1,2), ranges "
        "(1-5) and steps (*/2)."
    )
