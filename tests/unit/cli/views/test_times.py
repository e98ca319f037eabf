from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from jobqueue.cli.views.times import ago, parse_moment, span
from jobqueue.model.durations import parse_duration

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("500ms", 0.5), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("0", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "-1", "1w", "1h 30m", "5mm", "1e9", "inf", "1" * 30])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "past", "iso"),
    [
        ("10m", False, "2026-01-01T00:10:00.000Z"),
        ("10m", True, "2025-12-31T23:50:00.000Z"),
        ("2030-06-01T12:00:00Z", False, "2030-06-01T12:00:00.000Z"),
        ("2030-06-01T12:00:00+02:00", True, "2030-06-01T10:00:00.000Z"),
        ("2030-06-01 12:00:00", False, "2030-06-01T12:00:00.000Z"),
        ("2030-06-01", False, "2030-06-01T00:00:00.000Z"),
    ],
)
def test_moments(text: str, past: bool, iso: str) -> None:
    assert parse_moment(text, NOW, past=past) == iso


@pytest.mark.parametrize("text", ["", "tomorrow", "2030-13-01", "-5m", "99999999999d", "2030-06-01T12:00:00ZZ"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a time|neither a duration|calendar"):
        parse_moment(text, NOW, past=False)


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (timedelta(seconds=0.4), "0s ago"),
        (timedelta(seconds=59), "59s ago"),
        (timedelta(minutes=3, seconds=59), "3m ago"),
        (timedelta(hours=25), "1d ago"),
        (timedelta(hours=-2), "in 2h"),
    ],
)
def test_ago(delta: timedelta, text: str) -> None:
    assert ago((NOW - delta).isoformat(timespec="milliseconds").replace("+00:00", "Z"), NOW) == text


def test_ago_of_no_time() -> None:
    assert ago("soon", NOW) == "soon"


def test_span() -> None:
    assert span([]) == "-"
    assert span(["45ms", "1m0s", "1.5s"]) == "45ms to 1m0s"
    assert span(["2h5m0s", "2h5m0s"]) == "2h5m0s"
    assert span(["b", "a", "a"]) == "a, b"
