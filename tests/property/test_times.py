"""Times and durations."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from jobqueue.model.retry import RetryPolicy
from jobqueue.model.timestamps import duration_text, to_iso, to_micros

micros = st.integers(0, 4_102_444_800_000_000)  # to the year 2100


@given(micros)
def test_iso_and_back_to_the_millisecond(at: int) -> None:
    text = to_iso(at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert to_micros(datetime.fromisoformat(text)) == at // 1000 * 1000


@given(micros, micros)
def test_iso_sorts_as_the_times_do(one: int, other: int) -> None:
    assert (to_iso(one) <= to_iso(other)) == (one // 1000 <= other // 1000)


@given(micros, st.integers(-23 * 60, 23 * 60))
def test_zones(at: int, minutes: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=at)
    assert to_micros(moment) == at
    assert to_micros(moment.astimezone(timezone(timedelta(minutes=minutes)))) == at
    assert to_micros(moment.replace(tzinfo=None)) == at


_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


@given(st.integers(0, 10**13))
def test_a_duration_reads_back_to_its_precision(duration: int) -> None:
    text = duration_text(duration)
    assert re.fullmatch(r"\d+ms|\d+(\.\d)?s|\d+m\d+s|\d+h\d+m\d+s", text), text
    read = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))
    millis = round(duration / 1000)
    precision = 0 if millis < 1000 else 99 if millis < 60_000 else 999
    assert abs(read - millis) <= precision + 1e-6


@given(st.integers(-(10**9), -1))
def test_no_duration_is_negative(duration: int) -> None:
    assert duration_text(duration) == "0ms"


@given(
    st.integers(1, 10**6),
    st.floats(0, 1000),
    st.floats(0, 10_000),
    st.floats(0, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_back_off_stays_within_its_bounds(attempt: int, base: float, most: float, jitter: float, draw: float) -> None:
    policy = RetryPolicy(attempt, base, most, jitter)
    delay = policy.delay_seconds(attempt, draw)
    full = policy.delay_seconds(attempt, 0.0)
    assert full * (1 - jitter) <= delay + 1e-9
    assert 0 <= delay <= full <= most
    assert full <= policy.delay_seconds(attempt + 1, 0.0)
    assert full == most or full >= base or base > most
