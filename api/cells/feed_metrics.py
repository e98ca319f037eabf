"""Metrics of the events that a front reads from its cells, counted in each server process."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from api.metrics.requests import REGISTRY

CONNECTED = Gauge(
    "jobqueue_front_feeds",
    "Processes of the front that receive the cell's events: those with followers, and for a minute after the last one.",
    ("cell",),
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
DELAY = Gauge(
    "jobqueue_front_feed_delay_seconds",
    "Time from a step of a job to its arrival at the front, of the newest event of the cell.",
    ("cell",),
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
GAPS = Counter(
    "jobqueue_front_feed_gaps", "Times at which events of the cell may have been missed.", ("cell",), registry=REGISTRY
)


class FeedMetrics:
    """Counts the open feeds, their delays and gaps (``jobqueue.cells.feed.FeedObserver``)."""

    def connected(self, cell: str, *, is_connected: bool) -> None:
        """The cell sends events, or no longer does."""
        CONNECTED.labels(cell).set(int(is_connected))

    def heard(self, cell: str, seconds: float) -> None:
        """An event arrived this many seconds after it happened."""
        DELAY.labels(cell).set(seconds)

    def missed(self, cell: str) -> None:
        """Events may be missing."""
        GAPS.labels(cell).inc()
