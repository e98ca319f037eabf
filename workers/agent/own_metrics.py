"""The metrics of an agent; without a port for them there are none, and prometheus_client is not imported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

from jobqueue.ledger.ledger import Ledger
from jobqueue.settings import Settings
from workers.agent.execution.running import RunningSet


class OwnMetrics:
    """The metrics of one agent; it measures from ``serve`` on."""

    def __init__(self) -> None:
        self._metrics: ModuleType | None = None

    def serve(self, settings: Settings, ledger: Ledger, running: RunningSet) -> Callable[[], None]:
        """Measure and serve if the settings give a port; returns a function that stops. Raises ``InvalidSettings``."""
        if settings.metrics_port is None:
            return lambda: None
        from workers import metrics

        self._metrics = metrics
        metrics.CONCURRENCY.set(settings.concurrency)
        metrics.HELD.set_function(lambda: len(running))
        return metrics.serve(settings, metrics.AGENT, ledger)

    def ended(self, outcome: str) -> None:
        """An execution was handled; ``outcome`` is the executor's, such as ``dropped: completed``."""
        if self._metrics is not None:
            self._metrics.ended(outcome)

    def run_of(self, operation: str) -> AbstractContextManager[None]:
        """Measure a run, however it ends."""
        return nullcontext() if self._metrics is None else self._metrics.run_of(operation)


#: Those of this process.
OWN_METRICS = OwnMetrics()
