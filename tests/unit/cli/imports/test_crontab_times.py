"""The times of imported lines against dateutil's recurrence rules, which were written by hand from crontab(5)."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import DAILY, FR, HOURLY, MINUTELY, MO, SU, TH, TU, WE, WEEKLY, YEARLY, rrule, rruleset

from jobqueue.cli.imports.crontab_times import SHORT_FORMS, expression, short_form
from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.schedules.cron import SHORT_FORMS as OF_SCHEDULES
from jobqueue.schedules.cron import Cron

UTC = timezone.utc
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
COMPARED = 200
EVERY_TENTH = range(5, 60, 10)
LINES: dict[str, list[dict[str, Any]]] = {
    "30 7 * * *": [{"freq": DAILY, "byhour": 7, "byminute": 30}],
    "10 3 * * *": [{"freq": DAILY, "byhour": 3, "byminute": 10}],
    "30 3 * * 0": [{"freq": WEEKLY, "byweekday": SU, "byhour": 3, "byminute": 30}],
    "30 3 * * 7": [{"freq": WEEKLY, "byweekday": SU, "byhour": 3, "byminute": 30}],
    "09,39 * * * *": [{"freq": HOURLY, "byminute": (9, 39)}],
    "5-55/10 * * * *": [{"freq": HOURLY, "byminute": EVERY_TENTH}],
    "57 0 * * 0": [{"freq": WEEKLY, "byweekday": SU, "byhour": 0, "byminute": 57}],
    "0 */12 * * *": [{"freq": DAILY, "byhour": (0, 12), "byminute": 0}],
    "*/7 * * * *": [{"freq": MINUTELY, "byminute": range(0, 60, 7)}],
    "59 23 * * Mon-fri": [{"freq": WEEKLY, "byweekday": (MO, TU, WE, TH, FR), "byhour": 23, "byminute": 59}],
    "0 6 1 jan,JUL *": [{"freq": YEARLY, "bymonth": (1, 7), "bymonthday": 1, "byhour": 6, "byminute": 0}],
    "0 4 8-14 * *": [{"freq": DAILY, "bymonthday": range(8, 15), "byhour": 4, "byminute": 0}],
    "20 4 * */3 1-5/2": [
        {"freq": DAILY, "bymonth": (1, 4, 7, 10), "byweekday": (MO, WE, FR), "byhour": 4, "byminute": 20}
    ],
    # both days are restricted: either is enough
    "0 12 13 * 5": [
        {"freq": DAILY, "bymonthday": 13, "byhour": 12, "byminute": 0},
        {"freq": WEEKLY, "byweekday": FR, "byhour": 12, "byminute": 0},
    ],
    # one of them begins with *: both must match
    "0 12 */2 * 5": [{"freq": DAILY, "bymonthday": range(1, 32, 2), "byweekday": FR, "byhour": 12, "byminute": 0}],
    "0 12 13 * */5": [{"freq": DAILY, "bymonthday": 13, "byweekday": (SU, FR), "byhour": 12, "byminute": 0}],
    "15 2 29 2 *": [{"freq": YEARLY, "bymonth": 2, "bymonthday": 29, "byhour": 2, "byminute": 15}],
    "0 0 30 2 Mon": [{"freq": DAILY, "bymonth": 2, "byweekday": MO, "byhour": 0, "byminute": 0}],
    # a step of a range with one number
    "5-5/10 8 * * *": [{"freq": DAILY, "byhour": 8, "byminute": 5}],
    "*/61 8 * * *": [{"freq": DAILY, "byhour": 8, "byminute": 0}],
    "0 9-17/9 * * *": [{"freq": DAILY, "byhour": 9, "byminute": 0}],
    "0 12 13 * */8": [{"freq": DAILY, "bymonthday": 13, "byweekday": SU, "byhour": 12, "byminute": 0}],
    "0 0 */32 */13 *": [{"freq": YEARLY, "bymonth": 1, "bymonthday": 1, "byhour": 0, "byminute": 0}],
    "0 9 * * 6-7": [{"freq": WEEKLY, "byweekday": (5, 6), "byhour": 9, "byminute": 0}],
}


def by_rules(rules: list[dict[str, Any]], number: int) -> list[datetime]:
    union = rruleset()
    for rule in rules:
        union.rrule(rrule(dtstart=BEGIN.replace(tzinfo=None), bysecond=0, **rule))
    return [time.replace(tzinfo=UTC) for time in islice(union, number)]


@pytest.mark.parametrize("line", LINES)
def test_an_imported_line_has_the_times_of_the_rule(line: str) -> None:
    number = COMPARED if "29 2" not in line and "*/13" not in line else 10
    cron = Cron(expression(line.split()), UTC, is_new=True)
    moment = int(BEGIN.timestamp() * 1e6) - 1
    times: list[datetime] = []
    while len(times) < number:
        following = cron.after(moment)
        assert following is not None
        moment = following
        times.append(datetime.fromtimestamp(moment / 1e6, UTC))
    assert times == by_rules(LINES[line], number)


def test_the_short_forms_are_those_of_schedules() -> None:
    assert set(SHORT_FORMS) == set(OF_SCHEDULES)
    assert [short_form(word) for word in SHORT_FORMS] == list(SHORT_FORMS)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("61 * * * *", "the minute '61' is not within 0-59."),
        ("0 24 * * *", "the hour '24' is not within 0-23."),
        ("0 0 0 * *", "the day of the month '0' is not within 1-31."),
        ("0 0 * 13 *", "the month '13' is not within 1-12."),
        ("0 0 * * 8", "the day of the week '8' is not within 0-7."),
        ("0 0 31 2 *", "0 0 31 2 * matches no day: no month in it has day 31."),
        ("0 0 31 4,6,9,11 */2", "0 0 31 4,6,9,11 */2 matches no day: no month in it has day 31."),
        ("*/0 * * * *", "the minute '*/0' has a step of 0."),
        ("20-10 * * * *", "the range '20-10' of the minute ends before it begins."),
        ("0 0 * * fri-sun", "the range 'fri-sun' of the day of the week ends before it begins."),
        (
            "5/15 * * * *",
            "has a step without a range, which cron implementations read differently; write 5-59/15, or 5.",
        ),
        ("0 0 L * *", "L (the last) is not part of Debian's crontab format"),
        ("0 0 * * 5L", "L (the last) is not part of Debian's crontab format"),
        ("0 0 15W * *", "W (the nearest weekday) is not part of"),
        ("0 0 * * mon#2", "# (the nth weekday) is not part of"),
        ("0 0 ? * *", "? is not part of"),
        ("0~59 * * * *", "~ (a random time) has no counterpart"),
        ("H * * * *", "H (a hashed time) has no counterpart"),
        ("0 0 * * monday", "the day of the week 'monday' is not *, a number (0-7 or sun-sat), a range"),
        ("mon 0 * * *", "the minute 'mon' is not *, a number (0-59), a range"),
        ("1,,2 * * * *", "the minute '1,,2' is not"),
        ("-5 * * * *", "the minute '-5' is not"),
        ("* * * * *-5", "the day of the week '*-5' is not"),
        ("0 0 1.5 * *", "the day of the month '1.5' is not"),
        ("\N{FULLWIDTH DIGIT ONE} * * * *", "the minute '\N{FULLWIDTH DIGIT ONE}' is not"),
        (",".join(map(str, range(60))) + " " + ",".join(map(str, range(24))) + " * * *", "at most 200."),
    ],
)
def test_fields_with_another_meaning_are_refused(line: str, sentence: str) -> None:
    with pytest.raises(NotTakenOver) as caught:
        expression(line.split())
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("@reboot", "@reboot runs at the start of the host"),
        ("@every_minute", "@every_minute is not a short form"),
        ("@Daily", "@Daily is not a short form"),
    ],
)
def test_other_short_forms_are_refused(word: str, sentence: str) -> None:
    with pytest.raises(NotTakenOver) as caught:
        short_form(word)
    assert sentence in str(caught.value)
