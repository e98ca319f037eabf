"""Expressions, intervals and rules: their times, and what is refused."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from dateutil.rrule import rrulestr

from jobqueue.errors import InvalidInput
from jobqueue.model.schedule import Blackout, Timing
from jobqueue.model.timestamps import from_iso, to_iso, to_micros
from jobqueue.schedules.recurrence import Recurrence
from jobqueue.schedules.times import DAY, SECOND, Times
from jobqueue.schedules.zones import zone_of

START = from_iso("2026-01-01T00:00:00Z")
HOUR, MINUTE = 3600 * SECOND, 60 * SECOND


def times(
    number: int = 5, begin: str = "2026-01-01T00:00:00Z", blackouts: tuple[Blackout, ...] = (), **timing: object
) -> list[str]:
    anchored = {"anchor": START} | timing if "every" in timing or "rrule" in timing else timing
    found = Times(Timing(**anchored), blackouts).following(from_iso(begin) - 1, number)  # type: ignore[arg-type]
    return [to_iso(moment)[:16] for moment in found]


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("0 3 * * 1-5", "Europe/Berlin", ["2026-01-01T02:00", "2026-01-02T02:00", "2026-01-05T02:00"]),
        ("@daily", "UTC", ["2026-01-01T00:00", "2026-01-02T00:00", "2026-01-03T00:00"]),
        ("@Hourly", "UTC", ["2026-01-01T00:00", "2026-01-01T01:00", "2026-01-01T02:00"]),
        ("0 0 1 JAN,jul *", "UTC", ["2026-01-01T00:00", "2026-07-01T00:00", "2027-01-01T00:00"]),
        # Debian: either day matches if both are given, both must if one begins with a star
        ("0 0 1 * MON", "UTC", ["2026-01-01T00:00", "2026-01-05T00:00", "2026-01-12T00:00"]),
        ("0 0 */2 * MON", "UTC", ["2026-01-05T00:00", "2026-01-19T00:00", "2026-02-09T00:00"]),
        ("0 0 29 2 *", "UTC", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("30 12 L * *", "UTC", ["2026-01-31T12:30", "2026-02-28T12:30", "2026-03-31T12:30"]),
    ],
)
def test_cron(cron: str, zone: str, expected: list[str]) -> None:
    assert times(3, cron=cron, time_zone=zone) == expected


def test_every_counts_from_its_anchor() -> None:
    assert times(2, every=90 * MINUTE) == ["2026-01-01T00:00", "2026-01-01T01:30"]
    assert times(2, begin="2026-01-01T00:00:01Z", every=90 * MINUTE) == ["2026-01-01T01:30", "2026-01-01T03:00"]
    assert times(1, begin="2025-06-01T00:00:00Z", every=DAY) == ["2026-01-01T00:00"]


def test_at_is_one_time() -> None:
    assert times(3, at=START + HOUR) == ["2026-01-01T01:00"]
    assert times(3, begin="2026-01-01T01:00:01Z", at=START + HOUR) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # RFC 5545, 3.8.5.3: the last Friday of the month; every other week on Tuesday and Thursday
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18", ["2026-01-30T18:00", "2026-02-27T18:00", "2026-03-27T18:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;WKST=SU", ["2026-01-01T00:00", "2026-01-13T00:00", "2026-01-15T00:00"]),
        ("RRULE:FREQ=DAILY;COUNT=2", ["2026-01-01T00:00", "2026-01-02T00:00"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
    ],
)
def test_recurrence_rules(rule: str, expected: list[str]) -> None:
    assert times(3, rrule=rule) == expected


@pytest.mark.parametrize("rule", ["FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=5;BYDAY=MO,FR;BYHOUR=7"])
def test_a_rule_keeps_its_rhythm_for_decades(rule: str) -> None:
    begin = datetime.fromisoformat("2026-01-01")
    for year in (2027, 2041, 2066):
        expected = rrulestr(rule, dtstart=begin).after(datetime.fromisoformat(f"{year}-05-03T04:05"))
        assert times(1, begin=f"{year}-05-03T04:05:01Z", rrule=rule) == [expected.isoformat()[:16]]


def test_starts_and_ends_bound_the_times() -> None:
    bounds = {"starts": from_iso("2026-01-03T00:00:00Z"), "ends": from_iso("2026-01-05T00:00:00Z")}
    assert times(9, cron="@daily", **bounds) == ["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-05T00:00"]


def test_blackouts_leave_times_out() -> None:
    weekend = Blackout("0 0 * * 6", 2 * DAY)
    assert times(4, cron="0 12 * * *", blackouts=(weekend,)) == [
        "2026-01-01T12:00",
        "2026-01-02T12:00",
        "2026-01-05T12:00",
        "2026-01-06T12:00",
    ]
    window = Times(Timing(cron="@daily"), (Blackout("0 2 * * *", 2 * HOUR),))
    begin = START + 2 * HOUR
    assert [window.is_blacked_out(begin + offset) for offset in (-1, 0, 2 * HOUR - 1, 2 * HOUR)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_schedule_whose_times_all_lie_in_blackouts_has_a_short_preview() -> None:
    assert times(3, cron="@hourly", blackouts=(Blackout("@hourly", HOUR),)) == []


def test_following_times_end_before_a_moment_and_none_behind_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Times(Timing(cron="@daily"), (Blackout("0 0 4-31 1 *", HOUR),))
    computed: list[int] = []
    after = schedule.after
    monkeypatch.setattr(schedule, "after", lambda moment: computed.append(moment) or after(moment))
    assert list(schedule.following(START - 1, 62, START + 2 * DAY)) == [START, START + DAY]
    assert list(schedule.following(START - 1, 62, START + 5 * DAY)) == [START, START + DAY, START + 2 * DAY]
    assert len(computed) == 3 + 6


def test_jitter_delays_each_time_by_the_same_whenever_it_is_asked() -> None:
    schedule = Times(Timing(cron="@hourly", jitter=10 * MINUTE), uid="0" * 32)
    moments = list(schedule.following(START, 200))
    delays = [schedule.due(moment) - moment for moment in moments]
    assert delays == [schedule.due(moment) - moment for moment in moments]
    assert all(0 <= delay < 10 * MINUTE for delay in delays)
    assert len(set(delays)) > 190
    assert delays != [
        Times(Timing(cron="@hourly", jitter=10 * MINUTE), uid="1" * 32).due(moment) - moment for moment in moments
    ]


@pytest.mark.parametrize(
    "timing", [{"cron": "7 * * * *"}, {"every": 7 * MINUTE}, {"cron": "0 0 29 2 *"}, {"cron": "* * 1 * *"}]
)
def test_the_newest_time_is_found_from_far_away(timing: dict[str, object]) -> None:
    found = Times(Timing(**timing, anchor=START))  # type: ignore[arg-type]
    first = found.after(START)
    assert first is not None
    for end in (first, first + 1, first + DAY, first + 400 * DAY, first + 3000 * DAY):
        newest = found.newest(first, end)
        following = found.after(newest)
        assert newest <= end
        assert following is not None
        assert following > end


def test_counting_stops() -> None:
    every = Times(Timing(every=SECOND, anchor=0))
    assert every.count(10 * SECOND, 13 * SECOND, 1000) == 3
    assert every.count(10 * SECOND, 10**9 * SECOND, 1000) == 1000


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        (
            "*/61 * * * *",
            "The minute '*/61' has a step of 61, which reaches beyond its last value",
        ),
        ("*/90 * * * *", "it would match 0 only. Write 0, or use `every` for an interval such as 90m."),
        ("0 */25 * * *", "The hour '*/25' has a step of 25"),
        (
            "0 0 */32 * *",
            "The day of the month '*/32' has a step of 32",
        ),
        ("0 0 1 */13 *", "The month '*/13' has a step of 13"),
        ("0 0 * * */8", "The day of the week '*/8' has a step of 8"),
        (
            "0 9-17/9 * * *",
            "it would match 9 only",
        ),
        ("0 0 1 feb-apr/3 *", "it would match 2 only"),
        ("50/15 * * * *", "it would match 50 only"),
        ("0,*/75 * * * *", "The minute '*/75'"),
    ],
)
def test_a_new_expression_whose_step_never_takes_place(cron: str, sentence: str) -> None:
    """cron accepts it and runs it at another time than it says; a schedule that was stored before keeps its times."""
    with pytest.raises(InvalidInput) as refused:
        Times(Timing(cron=cron), is_new=True)
    assert sentence in refused.value.details["cron"][0]
    with pytest.raises(InvalidInput) as refused:
        Times(Timing(cron="@daily"), (Blackout(cron, HOUR),), is_new=True)
    assert sentence in refused.value.details["blackouts[0].cron"][0]
    assert Times(Timing(cron=cron)).after(START) is not None


@pytest.mark.parametrize(
    "cron",
    [
        *("*/60 * * * *", "0 */24 * * *", "0 0 1 */12 *", "0 0 * * */7", "0 0 */31 * *", "0 9-17/8 * * *"),
        *("45/14 * * * *", "7-7/3 * * * *", "0 0 L * *", "0 0 * * 5L", "0 0 * * MON#2", "0 0 * * mon-fri/4", "@hourly"),
    ],
)
def test_steps_that_take_place(cron: str) -> None:
    assert Times(Timing(cron=cron), is_new=True).after(START) is not None


@pytest.mark.parametrize(
    ("cron", "sentence"),
    [
        (
            "20-10 * * * *",
            "The minute '20-10' is a range that ends before it begins; write 20-59,0-10",
        ),
        ("0 0 * * FRI-MON", "The day of the week 'FRI-MON' is a range that ends before it begins; write FRI-7,0-MON"),
        ("0 0 * nov-feb *", "write nov-12,1-feb"),
        ("*/0 * * * *", "The minute '*/0' has a step of 0; a step is at least 1."),
        ("61 * * * *", "The minute '61' is not within 0-59."),
        ("0 0 0 * *", "The day of the month '0' is not within 1-31."),
        ("0 0 * * 1,8", "The day of the week '8' is not within 0-7."),
        ("0 0 * JANUARY *", "The month of '0 0 * JANUARY *' is invalid; allowed are 1-12 or JAN-DEC"),
    ],
)
def test_the_faults_of_an_expression_are_named(cron: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Times(Timing(cron=cron))
    assert sentence in refused.value.details["cron"][0]


def test_a_range_over_the_end_as_the_error_writes_it() -> None:
    assert times(3, cron="0 0 * * FRI-7,0-MON") == ["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00"]


@pytest.mark.parametrize(
    ("timing", "field", "words"),
    [
        ({"cron": "61 * * * *"}, "cron", "minute"),
        ({"cron": "0 24 * * *"}, "cron", "hour"),
        ({"cron": "0 0 31 2 *"}, "cron", "day of month"),
        ({"cron": "0 0 31 4,6,9,11 *"}, "cron", "day of month"),
        ({"cron": "0 0 * 2 MON#6"}, "cron", "day of week"),
        ({"cron": "0 0 0 * * *"}, "cron", "6 fields"),
        ({"cron": "0 0 * *"}, "cron", "4 fields"),
        ({"cron": ""}, "cron", "0 fields"),
        ({"cron": "@reboot"}, "cron", "@reboot"),
        ({"cron": "*/0 * * * *"}, "cron", "minute"),
        ({"cron": "5-1 * * * *"}, "cron", "minute"),
        ({"cron": "\u0661 * * * *"}, "cron", "minute"),
        ({"cron": "0,0 " * 300}, "cron", "200"),
        ({"cron": "@daily", "time_zone": "Europe/Berln"}, "time_zone", "Europe/Berlin"),
        ({"cron": "@daily", "time_zone": "../../etc/passwd"}, "time_zone", "passwd"),
        ({"cron": "@daily", "time_zone": "Europe"}, "time_zone", "Europe"),
        ({"cron": "@daily", "starts": 2, "ends": 1}, "ends", "before starts"),
        ({"cron": "@daily", "at": 5}, "at", "cron and at"),
        ({}, "cron", "none is given"),
        ({"rrule": "FREQ=SECONDLY"}, "rrule", "FREQ"),
        ({"rrule": "FREQ=DAILY;UNTIL=20270101"}, "rrule", "ends"),
        ({"rrule": "FREQ=DAILY;COUNT=100000"}, "rrule", "COUNT"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL"),
        ({"rrule": "FREQ=DAILY;FREQ=DAILY"}, "rrule", "twice"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "no time"),
        ({"rrule": "FREQ=DAILY;BYHOUR=99"}, "rrule", "FREQ=DAILY;BYHOUR=99"),
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=0"}, "rrule", "BYMONTHDAY must be from 1 to 31"),
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=1,-32"}, "rrule", "-32"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=0"}, "rrule", "BYMONTH must be from 1 to 12"),
        ({"rrule": "FREQ=DAILY;BYHOUR=-1"}, "rrule", "BYHOUR must be from 0 to 23"),
        ({"rrule": "FREQ=DAILY;BYHOUR=1,"}, "rrule", "BYHOUR must be from 0 to 23"),
        ({"rrule": "FREQ=YEARLY;BYWEEKNO=54"}, "rrule", "BYWEEKNO must be from 1 to 53"),
        ({"rrule": "FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO"}, "rrule", "BYSETPOS must be from 1 to 366"),
        ({"rrule": "FREQ=MONTHLY;BYSETPOS=1"}, "rrule", "BYSETPOS needs another part"),
        ({"rrule": "FREQ=DAILY;BYDAY=1MO"}, "rrule", "needs FREQ=MONTHLY"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=2MO"}, "rrule", "needs FREQ=MONTHLY"),
        ({"rrule": "FREQ=YEARLY;BYWEEKNO=2;BYDAY=2MO"}, "rrule", "without BYWEEKNO"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=54MO"}, "rrule", "54MO"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=1MO,-10WE"}, "rrule", "at most five"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=12;BYDAY=6MO"}, "rrule", "at most five"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=0MO"}, "rrule", "0MO"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=NO"}, "rrule", "NO"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=MO,1TU"}, "rrule", "mix"),
        ({"rrule": "FREQ=WEEKLY;BYMONTHDAY=13"}, "rrule", "BYMONTHDAY needs FREQ=DAILY or MONTHLY or YEARLY"),
        ({"rrule": "FREQ=MONTHLY;BYYEARDAY=100"}, "rrule", "BYYEARDAY needs FREQ=YEARLY"),
        ({"rrule": "FREQ=DAILY;BYWEEKNO=20"}, "rrule", "BYWEEKNO needs FREQ=YEARLY"),
        ({"cron": "@daily", "time_zone": "localtime"}, "time_zone", "localtime"),
        ({"cron": "@daily", "time_zone": "Factory"}, "time_zone", "Factory"),
        ({"rrule": "FREQ=DAILY\nDTSTART:20260101"}, "rrule", "not a recurrence rule"),
        ({"rrule": "FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60)))}, "rrule", "60 times"),
    ],
)
def test_what_is_refused(timing: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Times(Timing(**{"anchor": START} | timing))  # type: ignore[arg-type]
    assert refused.value.details is not None
    assert words in " ".join(refused.value.details[field])


def test_a_blackout_is_named_by_its_number() -> None:
    with pytest.raises(InvalidInput) as refused:
        Times(Timing(cron="@daily"), (Blackout("@daily", HOUR), Blackout("0 25 * * *", HOUR)))
    assert refused.value.details is not None
    assert "blackouts[1].cron" in refused.value.details


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # RFC 5545: "Every 20th Monday of the year, forever", from 1997 on
        ("FREQ=YEARLY;BYDAY=20MO", ["1997-05-19T09:00", "1998-05-18T09:00", "1999-05-17T09:00"]),
        # years with 53 Thursdays, from a calendar
        ("FREQ=YEARLY;BYDAY=53TH", ["1998-12-31T09:00", "2004-12-30T09:00", "2009-12-31T09:00"]),
        ("FREQ=YEARLY;BYDAY=-53TH", ["1998-01-01T09:00", "2004-01-01T09:00", "2009-01-01T09:00"]),
        ("FREQ=YEARLY;BYDAY=1MO", ["1998-01-05T09:00", "1999-01-04T09:00", "2000-01-03T09:00"]),
        ("FREQ=YEARLY;BYMONTH=3;BYDAY=1MO", ["1998-03-02T09:00", "1999-03-01T09:00", "2000-03-06T09:00"]),
    ],
)
def test_numbered_weekdays_of_a_year(rule: str, expected: list[str]) -> None:
    begin = "1997-05-01T09:00:00+00:00"
    recurrence = Recurrence(rule, from_iso(begin), zone_of("UTC"))
    moment: int | None = from_iso(begin) - 1
    found = []
    for _ in expected:
        moment = recurrence.after(moment)
        assert moment is not None
        found.append(to_iso(moment)[:16])
    assert found == expected


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYSETPOS=366;BYHOUR=1",
        "FREQ=DAILY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=5MO;BYMONTH=2;BYMONTHDAY=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
        "FREQ=YEARLY;BYSETPOS=366;BYDAY=MO",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
    ],
)
def test_a_rule_without_any_time_is_found_out_at_once(rule: str) -> None:
    anchor = to_micros(datetime(2030, 1, 1, tzinfo=timezone.utc))
    begin = time.thread_time()
    found: str | int | None
    try:
        found = Recurrence(rule, anchor, zone_of("Europe/Berlin")).after(anchor)
    except InvalidInput as error:
        found = error.message
    assert time.thread_time() - begin < 2  # a fifth of a second; until the year 9999 it takes seconds to minutes
    assert found is None or "no time" in str(found)
