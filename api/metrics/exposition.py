"""The answer to a scrape."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.metrics.ledger import LedgerCollector
from api.metrics.requests import REGISTRY
from api.metrics.shared import VARIABLE
from jobqueue.model.measures import Measures


def exposition(ping: Callable[[], None], measures: Callable[[], Measures], accept: str) -> tuple[bytes, str]:
    """The body and its content type, in the format chosen by the Accept header."""
    encode, content_type = choose_encoder(accept)
    return encode(registry(ping, measures)), content_type


def registry(ping: Callable[[], None], measures: Callable[[], Measures]) -> CollectorRegistry:
    """All metrics of the API: of all server processes, or of this one outside the server."""
    collectors = request_collectors()
    collectors.register(LedgerCollector(ping, measures))
    return collectors


def request_collectors() -> CollectorRegistry:
    """The metrics of requests and followers only."""
    collectors = CollectorRegistry(auto_describe=False)
    if VARIABLE in os.environ:
        collectors.register(_AllProcesses(os.environ[VARIABLE]))
    else:
        collectors.register(_ThisProcess())
    return collectors


class _AllProcesses(Collector):
    def __init__(self, directory: str) -> None:
        self._files = MultiProcessCollector(None, directory)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        metrics: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        return metrics


class _ThisProcess(Collector):
    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()
