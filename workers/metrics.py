"""Process metrics of an agent or of maintenance, served for Prometheus if the settings give a port.

Fleet metrics come from the ledger through the API (``GET /metrics``). This module has what only the process knows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobqueue.errors import InvalidSettings, LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.stored_limits import BUCKETS
from jobqueue.redis_metrics import build_info, redis_metrics, timed
from jobqueue.settings import Settings

logger = logging.getLogger(__name__)

AGENT = CollectorRegistry()
MAINTENANCE = CollectorRegistry()

EXECUTIONS = Counter(
    "jobqueue_agent_executions",
    "Messages that the agent received, by outcome: a final state, retried, dropped, unreported, ...",
    ("outcome",),
    registry=AGENT,
)
RUN = Histogram(
    "jobqueue_agent_run_seconds",
    "Run time of operations on this agent.",
    ("operation",),
    buckets=BUCKETS,
    registry=AGENT,
)
HELD = Gauge("jobqueue_agent_held", "Executions that the agent holds, including claims in progress.", registry=AGENT)
CONCURRENCY = Gauge("jobqueue_agent_concurrency", "Maximum number of concurrent executions.", registry=AGENT)

LEADING = Gauge("jobqueue_maintenance_leading", "Whether this copy is the leader.", registry=MAINTENANCE)
STEPS = Histogram(
    "jobqueue_maintenance_step_seconds", "Duration of one step of a service.", ("service",), registry=MAINTENANCE
)
HANDLED = Counter(
    "jobqueue_maintenance_handled", "Executions or jobs that a service handled.", ("service",), registry=MAINTENANCE
)

FAILURES = Counter(
    "jobqueue_maintenance_failures",
    "Failed steps. The ledger's records may have been altered.",
    ("service",),
    registry=MAINTENANCE,
)


class Service(Protocol):
    """The part of a maintenance service that ``step`` needs."""

    def run_once(self) -> int: ...


def ended(outcome: str) -> None:
    """An execution was handled; ``outcome`` is the executor's, such as ``dropped: completed``."""
    EXECUTIONS.labels(outcome.partition(":")[0]).inc()


@contextmanager
def run_of(operation: str) -> Iterator[None]:
    """Measure a run, however it ends."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        RUN.labels(operation).observe(time.perf_counter() - begin)


def step(service: Service) -> int:
    """Run and measure one step of a service; returns its result."""
    name = type(service).__name__.lower()
    with STEPS.labels(name).time():
        done = service.run_once()
    HANDLED.labels(name).inc(done)
    return done


def serve(settings: Settings, own: CollectorRegistry, ledger: Ledger) -> Callable[[], None]:
    """Serve ``own`` metrics over HTTP if the settings give a port; returns a function that stops the server.

    Raises ``InvalidSettings`` with the address if the port cannot be bound.
    """
    port, host = settings.metrics_port, settings.metrics_host
    if port is None:
        return lambda: None
    try:
        server, thread = start_http_server(port, host, registry=registry(own, ledger))
    except OSError as error:
        raise InvalidSettings(
            f"Metrics cannot be served on {host}:{port}: {error.strerror}. Choose another JOBQUEUE_METRICS_HOST or "
            "JOBQUEUE_METRICS_PORT (each agent of a host needs a port of its own), or leave them out."
        ) from error
    logger.info("Metrics are at http://%s:%d/metrics", host, port)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def registry(own: CollectorRegistry, ledger: Ledger) -> CollectorRegistry:
    """All metrics of this process."""
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(_Of(own))
    collectors.register(_Redis(ledger))
    ProcessCollector(registry=collectors)
    return collectors


class _Of(Collector):
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        return self._registry.collect()


class _Redis(Collector):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Metric]:
        yield build_info()
        try:
            yield from redis_metrics(timed(self._ledger.ping))
        except LedgerUnavailable:
            yield from redis_metrics(None)
