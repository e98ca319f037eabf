"""Requests and followers, counted in each server process.

In the server, ``shared.py`` has the library keep the numbers in files that all its processes can read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import lru_cache

from flask import Flask, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.context import http_request, notes

#: This process's metrics. Not the library's default registry, to which any library may add its own.
REGISTRY = CollectorRegistry()
#: The route of a request that no route matches: callers can invent any number of paths.
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

REQUESTS = Counter("jobqueue_http_requests", "Requests answered.", ("method", "route", "status"), registry=REGISTRY)
DURATION = Histogram(
    "jobqueue_http_request_duration_seconds",
    "Time from a request's arrival to the start of its response; streams continue after that.",
    ("method", "route"),
    buckets=_BUCKETS,
    registry=REGISTRY,
)
FOLLOWERS = Gauge(
    "jobqueue_followers",
    "Open streams of events or of live output.",
    ("route",),
    multiprocess_mode="livesum",
    registry=REGISTRY,
)


def install(app: Flask) -> None:
    """Measure each request of ``app``, everything else that happens to it included."""
    app.before_request(_begin)
    app.after_request(_end)


def followed(stream: Iterable[str]) -> Iterator[str]:
    """The stream, counted for as long as it is read."""
    gauge = FOLLOWERS.labels(_route(http_request()))

    def counted() -> Iterator[str]:
        gauge.inc()
        try:
            yield from stream
        finally:
            gauge.dec()

    return counted()


def _begin() -> None:
    notes().begun = time.perf_counter()


def _end(response: Response) -> Response:
    current = http_request()
    method = current.method if current.method in _METHODS else "other"
    answered, duration = _series(method, _route(current), response.status_code)
    answered.inc()
    duration.observe(time.perf_counter() - notes().begun)
    return response


@lru_cache(maxsize=2048)  # looking them up each time would cost more than counting
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), DURATION.labels(method, route)


def _route(current: Request) -> str:
    return current.url_rule.rule if current.url_rule else UNMATCHED
