"""The metrics that every process shows: its version, and whether Redis answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter

from prometheus_client.core import GaugeMetricFamily, Metric

from jobqueue import __version__


def timed(ping: Callable[[], None]) -> float:
    """The seconds that a PING takes. Raises what ``ping`` raises."""
    begin = perf_counter()
    ping()
    return perf_counter() - begin


def build_info() -> Metric:
    """The version, as a label."""
    build = GaugeMetricFamily("jobqueue_build_info", "The version, as a label; always 1.", labels=("version",))
    build.add_metric((__version__,), 1)
    return build


def redis_metrics(latency: float | None) -> Iterator[Metric]:
    """Whether Redis answers, and in how many seconds; None: it does not."""
    yield GaugeMetricFamily("jobqueue_redis_up", "Whether Redis answers.", value=int(latency is not None))
    if latency is not None:
        name, help_text = "jobqueue_redis_latency_seconds", "Round-trip time of a PING to Redis."
        yield GaugeMetricFamily(name, help_text, value=latency)
