"""A value that is read for several callers, and used again for a while."""

from __future__ import annotations

import itertools
import threading

import pytest

from jobqueue.errors import LedgerUnavailable
from jobqueue.shared_reading import SharedReading


def test_a_value_is_used_until_its_time_has_passed() -> None:
    now, numbers = [0.0], itertools.count(1)
    reading = SharedReading(lambda: (next(numbers), 2.0), clock=lambda: now[0])
    assert [reading(), reading()] == [1, 1]
    now[0] = 1.9
    assert reading() == 1
    now[0] = 2.0
    assert reading() == 2


def test_a_fresh_value_is_read_anew() -> None:
    numbers = itertools.count(1)
    reading = SharedReading(lambda: (next(numbers), 60.0), clock=lambda: 0.0)
    assert (reading(), reading(is_fresh=True), reading()) == (1, 2, 2)


def test_an_error_is_not_kept() -> None:
    outcomes = iter([LedgerUnavailable("down"), None])

    def read() -> tuple[str, float]:
        if error := next(outcomes):
            raise error
        return "up", 1.0

    reading = SharedReading(read)
    with pytest.raises(LedgerUnavailable):
        reading()
    assert reading() == "up"


def test_of_many_callers_one_reads() -> None:
    begun, may_end = threading.Event(), threading.Event()
    readings: list[int] = []

    def read() -> tuple[int, float]:
        readings.append(len(readings) + 1)
        begun.set()
        assert may_end.wait(30)
        return readings[-1], 60.0

    reading = SharedReading(read)
    values: list[int] = []
    callers = [threading.Thread(target=lambda: values.append(reading())) for _ in range(8)]
    for caller in callers:
        caller.start()
    assert begun.wait(30)
    may_end.set()
    for caller in callers:
        caller.join(30)
    assert (values, readings) == ([1] * 8, [1])
