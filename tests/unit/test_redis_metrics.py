"""The metrics that every process shows."""

from __future__ import annotations

from jobqueue import __version__
from jobqueue.redis_metrics import build_info, redis_metrics, timed


def test_the_version_is_a_label() -> None:
    (sample,) = build_info().samples
    assert (sample.labels, sample.value) == ({"version": __version__}, 1)


def test_a_redis_that_answers() -> None:
    shown = {metric.name: metric.samples[0].value for metric in redis_metrics(0.25)}
    assert shown == {"jobqueue_redis_up": 1, "jobqueue_redis_latency_seconds": 0.25}


def test_a_redis_that_does_not_answer_has_no_latency() -> None:
    shown = {metric.name: metric.samples[0].value for metric in redis_metrics(None)}
    assert shown == {"jobqueue_redis_up": 0}


def test_a_ping_is_timed() -> None:
    pings: list[str] = []
    assert timed(lambda: pings.append("PING")) >= 0
    assert pings == ["PING"]
