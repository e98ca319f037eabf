"""Logs, metrics and traces of one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobqueue import logs, tracing
from jobqueue.errors import JobQueueError
from workers.agent.execution.running import RunningExecution
from workers.agent.own_metrics import OWN_METRICS

if TYPE_CHECKING:
    from opentelemetry.trace import Span


@contextmanager
def instrumented(running: RunningExecution) -> Iterator[Span | None]:
    """Instrument one run: metrics, log records with the execution's ids, and a span in the job's trace (yielded)."""
    claim, document = running.claim, running.document
    operation = str(document["operation"])
    carried = document.get(tracing.MEMBER) or {}
    about = {"job_id": claim.job_id, "agent": claim.hostname}
    if carried.get("request_id"):
        about["request_id"] = str(carried["request_id"])
    attributes = {
        "jobqueue.job_id": claim.job_id,
        "jobqueue.agent": claim.hostname,
        "jobqueue.operation": operation,
        "jobqueue.attempt": claim.attempt,
    }
    parent = tracing.checked(carried.get(tracing.HEADER))
    with (
        logs.bound(**about),
        tracing.span(f"run {operation}", "CONSUMER", parent, attributes) as span,
        OWN_METRICS.run_of(operation),
    ):
        try:
            yield span
        except JobQueueError as error:
            tracing.fail(span, error.message)
            raise
