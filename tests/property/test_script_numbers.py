"""How scripts write numbers, times and durations, compared with Python."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from importlib.resources import files

import fakeredis
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import complete
from jobqueue.model.stored_limits import BUCKETS

_CLOCK = (files("jobqueue.ledger") / "lua" / "include" / "clock.lua").read_text("utf-8")
_LOOP = "\nlocal at, found = clock(ARGV[1]), {}\nfor i = 2, #ARGV do found[i - 1] = %s end\nreturn found"
#: Expression over one argument -> the script that evaluates it for each of its arguments, at the time of the first one.
_SCRIPTS = {
    name: complete(_CLOCK + _LOOP % expression, Keys("x:"))
    for name, expression in {
        "int": "int(tonumber(ARGV[i]))",
        "later": "later(at, ARGV[i])",
        "score": "score(ARGV[i])",
        "bucket": "bucket_of(tonumber(ARGV[i]))",
        "clock": "int(clock(ARGV[i]))",
    }.items()
}
NOW = 1_800_000_000_000_000
#: What an agent's user may have written in place of a time.
ALTERED = ("", "x", "-1", "1e3", "nan", "inf", "0x10", "9" * 20, "18000000000000.5", " 1", "1800000000000000x")
times = st.one_of(st.integers(0, 8_999_999_999_999_999), st.integers(NOW - 10, NOW + 10))


@pytest.fixture(scope="module")
def fake() -> redis.Redis:
    return fakeredis.FakeRedis(decode_responses=True)


def evaluated(client: redis.Redis, name: str, values: Sequence[int | str], now: int = NOW) -> list[str]:
    answers: list[str] = client.eval(_SCRIPTS[name], 0, now, *values)
    return answers


@given(st.lists(st.integers(-(10**12), 8_999_999_999_999_999), min_size=1), times)
def test_whole_numbers(fake: redis.Redis, numbers: list[int], now: int) -> None:
    numbers += [*range(-1, 12), now]
    assert evaluated(fake, "int", numbers, now) == [str(number) for number in numbers]
    assert evaluated(fake, "clock", [now, 7], now) == [str(now), "7"]


@given(st.lists(times, min_size=1), times)
def test_the_later_of_two_times(fake: redis.Redis, recorded: list[int], now: int) -> None:
    assert evaluated(fake, "later", recorded, now) == [str(max(now, time)) for time in recorded]
    assert evaluated(fake, "score", recorded, now) == [str(time) for time in recorded]


def test_altered_times_are_not_written_back(fake: redis.Redis) -> None:
    assert all(0 <= int(text) <= NOW for text in evaluated(fake, "later", ALTERED))
    assert all(abs(int(text)) < 9e15 for text in evaluated(fake, "score", ALTERED))


@given(st.lists(st.integers(0, 10**11), min_size=1))
def test_the_bucket_of_a_duration(fake: redis.Redis, durations: list[int]) -> None:
    bounds = [int(seconds * 1_000_000) for seconds in BUCKETS]
    durations += [bound + difference for bound in bounds for difference in (-1, 0, 1)]
    expected = [str(bisect.bisect_left(bounds, duration) + 1) for duration in durations]
    assert evaluated(fake, "bucket", durations) == expected
