"""Cron at the changes of the clocks, against times that are computed from the offsets of the zones alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from jobqueue.model.timestamps import from_iso, to_micros
from jobqueue.schedules.cron import Cron
from jobqueue.schedules.interval import Interval
from jobqueue.schedules.recurrence import Recurrence
from jobqueue.schedules.zones import instant, zone_of

MINUTE = timedelta(minutes=1)
YEARS = (1980, 2030)
#: Among them gaps of half an hour (Lord Howe), at midnight (Havana, Cairo), of a whole day (Apia), and zones whose
#: winter time is the exception (Dublin).
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Africa/Cairo",
    "Pacific/Apia",
    "Europe/Dublin",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Antarctica/Troll",
)


@cache
def transitions(name: str) -> tuple[datetime, ...]:
    """The minutes (UTC) at which the offset of a zone changes."""
    zone, found = ZoneInfo(name), []
    moment, end = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in YEARS)
    while moment < end:
        following = moment + timedelta(days=1)
        if moment.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            minute = moment
            while minute.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
                minute += MINUTE
            found.append(minute)
        moment = following
    return tuple(found)


def minutes(begin: datetime, end: datetime, name: str) -> Iterator[tuple[datetime, datetime]]:
    """Every minute as (UTC, what a clock in the zone shows)."""
    zone = ZoneInfo(name)
    while begin < end:
        yield begin, begin.astimezone(zone).replace(tzinfo=None)
        begin += MINUTE


def expected_of_fixed(shown: list[tuple[datetime, datetime]], hours: set[int], minute: int) -> list[datetime]:
    """The times of ``minute hours * * *``: at the first minute that shows a time or, if none does, a later one."""
    first = {showing: moment for moment, showing in reversed(shown)}
    times: set[datetime] = set()
    wall = shown[0][1].replace(minute=minute)
    while wall <= shown[-1][1]:
        if wall.hour in hours:
            times.add(first.get(wall) or next(moment for moment, showing in shown if showing > wall))
        wall += timedelta(hours=1)
    return sorted(times)


def hours_around(change: datetime, name: str) -> timedelta:
    """How far from a change to look: beyond what it skips or repeats."""
    zone = ZoneInfo(name)
    before, after = ((change - step).astimezone(zone).utcoffset() for step in (MINUTE, timedelta(0)))
    assert before is not None
    assert after is not None
    return timedelta(hours=3) + abs(after - before)


def fired(cron: Cron, begin: datetime, end: datetime) -> list[datetime]:
    moment: int | None = to_micros(begin) - 1
    times = []
    while (moment := cron.after(moment)) is not None and moment < to_micros(end):
        times.append(datetime.fromtimestamp(moment / 1e6, timezone.utc))
    return times


@pytest.mark.parametrize("name", ZONES)
def test_each_zone_has_changes_to_look_at(name: str) -> None:
    assert len(transitions(name)) >= 4


@pytest.mark.parametrize("name", ZONES)
def test_a_time_that_is_skipped_runs_after_the_gap_and_one_that_is_repeated_runs_once(name: str) -> None:
    zone = zone_of(name)
    for change in transitions(name):
        half = hours_around(change, name)
        begin, end = change - half, change + half
        shown = list(minutes(begin, end, name))
        gap = change.astimezone(ZoneInfo(name)).replace(tzinfo=None)
        hours = {(gap - timedelta(minutes=30)).hour, (gap + timedelta(minutes=30)).hour}
        text = ",".join(map(str, sorted(hours)))
        for minute in (0, 30, 45):
            # the first and the last hours are not compared: there the expectation lacks what lies beyond
            inside = (begin + timedelta(hours=1), end - timedelta(hours=1))
            expected = [time for time in expected_of_fixed(shown, hours, minute) if inside[0] <= time < inside[1]]
            assert fired(Cron(f"{minute} {text} * * *", zone), *inside) == expected, (change, minute, text)


@pytest.mark.parametrize("name", ZONES)
def test_wildcards_follow_the_clock(name: str) -> None:
    cron = Cron("*/15 * * * *", zone_of(name))
    for change in transitions(name):
        begin, end = change - timedelta(hours=3), change + timedelta(hours=3)
        expected = [moment for moment, showing in minutes(begin, end, name) if showing.minute % 15 == 0]
        assert fired(cron, begin, end) == expected, change


@pytest.mark.parametrize(
    ("name", "expression", "begin", "expected"),
    [
        # the clocks repeat the hour from 02:45 on
        (
            "Pacific/Chatham",
            "*/15 2 * * *",
            "2028-04-01T12:30+00:00",
            [
                "2028-04-02T02:30:00+13:45",
                "2028-04-02T02:45:00+13:45",
                "2028-04-02T02:45:00+12:45",
                "2028-04-03T02:00:00+12:45",
            ],
        ),
        # the half hour from 01:30 on is repeated, or that from 02:00 on is skipped
        (
            "Australia/Lord_Howe",
            "13 */3 * * *",
            "2028-04-01T13:30+00:00",
            ["2028-04-02T03:13:00+10:30", "2028-04-02T06:13:00+10:30"],
        ),
        ("Australia/Lord_Howe", "*/25 23 * * *", "2027-10-02T14:00+00:00", ["2027-10-03T23:00:00+11:00"]),
        # midnight is skipped: at 01:00 no such time is shown
        ("America/Havana", "*/40 */3 * * *", "2028-03-12T04:00+00:00", ["2028-03-12T03:00:00-04:00"]),
    ],
)
def test_odd_changes(name: str, expression: str, begin: str, expected: list[str]) -> None:
    moment: int | None = to_micros(datetime.fromisoformat(begin))
    found = []
    for _ in expected:
        moment = Cron(expression, zone_of(name)).after(moment)
        assert moment is not None
        found.append(datetime.fromtimestamp(moment / 1e6, ZoneInfo(name)).isoformat())
    assert found == expected


def test_a_range_of_one_number_has_no_further_steps() -> None:
    cron, bounds = Cron("0 7-7/3 * * *", zone_of("UTC")), ("2027-01-01T00:00+00:00", "2027-01-03T00:00+00:00")
    begin, end = map(datetime.fromisoformat, bounds)
    assert [time.isoformat()[:13] for time in fired(cron, begin, end)] == ["2027-01-01T07", "2027-01-02T07"]


def test_an_interval_goes_on_through_changes() -> None:
    every = Interval(15 * 60_000_000, 0)
    for change in transitions("Europe/Berlin"):
        at = to_micros(change)
        assert every.after(at - 1) == at
        assert every.after(at) == at + 15 * 60_000_000


@pytest.mark.parametrize("name", ZONES)
def test_a_rule_runs_once_a_day_through_changes(name: str) -> None:
    zone = zone_of(name)
    for change in transitions(name):
        half = hours_around(change, name)
        before = change - timedelta(days=3)
        wall = change.astimezone(ZoneInfo(name)).replace(tzinfo=None) - timedelta(minutes=15)
        rule = Recurrence(f"FREQ=DAILY;BYHOUR={wall.hour};BYMINUTE={wall.minute}", to_micros(before), zone)
        shown = list(minutes(change - half, change + half, name))
        expected = expected_of_fixed(shown, {wall.hour}, wall.minute)
        inside = [time for time in expected if change - half <= time < change + half]
        assert inside
        moment: int | None = to_micros(shown[0][0]) - 1
        for time in inside:
            moment = rule.after(moment)
            assert moment == to_micros(time), change


def test_instants_of_a_wall_clock() -> None:
    berlin = zone_of("Europe/Berlin")
    # skipped: from 2:00 to 3:00, which is 1:00 UTC
    for skipped in ("2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59"):
        assert instant(datetime.fromisoformat(skipped), berlin) == from_iso("2026-03-29T01:00Z")
    # repeated: first in summer time
    assert instant(datetime.fromisoformat("2026-10-25T02:30"), berlin) == from_iso("2026-10-25T00:30Z")
