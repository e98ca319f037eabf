"""Times and durations: examples. The rules behind them are in tests/property/test_times.py."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jobqueue.model.timestamps import duration_text, from_iso, nanos_to_iso, to_iso, to_micros


def test_iso() -> None:
    assert to_iso(0) == "1970-01-01T00:00:00.000Z"
    assert to_iso(1_718_359_200_123_456) == "2024-06-14T10:00:00.123Z"
    assert to_iso(1_718_359_200_999_999) == "2024-06-14T10:00:00.999Z"


def test_micros() -> None:
    moment = datetime(2024, 6, 14, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    assert to_micros(moment) == 1_718_359_200_123_456
    assert to_micros(datetime(2024, 6, 14, 10, 0, 0, 123_456)) == 1_718_359_200_123_456  # noqa: DTZ001


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (-5, "0ms"),
        (0, "0ms"),
        (45_000, "45ms"),
        (999_400, "999ms"),
        (999_600, "1s"),
        (1_500_000, "1.5s"),
        (2_000_000, "2s"),
        (59_940_000, "59.9s"),
        (59_999_000, "59.9s"),
        (60_000_000, "1m0s"),
        (3_599_000_000, "59m59s"),
        (7_500_000_000, "2h5m0s"),
    ],
)
def test_durations(micros: int, text: str) -> None:
    assert duration_text(micros) == text


def test_nanoseconds() -> None:
    assert nanos_to_iso(1_718_359_200_123_456_789) == "2024-06-14T10:00:00.123456789Z"
    assert nanos_to_iso(1_718_359_200_000_000_001) == "2024-06-14T10:00:00.000000001Z"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2024-06-14T10:00:00Z", 1_718_359_200_000_000),
        ("2024-06-14T12:00:00+02:00", 1_718_359_200_000_000),
        ("2024-06-14 10:00:00", 1_718_359_200_000_000),
        (" 2024-06-14T10:00:00.5Z ", 1_718_359_200_500_000),
        ("2024-06-14T10:00:00.123456789Z", 1_718_359_200_123_456),
        ("2024-06-14T12:00:00.1234567+02:00", 1_718_359_200_123_456),
        ("2024-06-14", 1_718_323_200_000_000),
    ],
)
def test_times_as_others_write_them(text: str, micros: int) -> None:
    assert from_iso(text) == micros


@pytest.mark.parametrize("offset", ["+25:00", "-24:00", "+99:59"])
def test_an_offset_is_less_than_a_day(offset: str) -> None:
    with pytest.raises(ValueError, match=r"offset|strictly between"):
        from_iso(f"2024-06-14T10:00:00{offset}")
