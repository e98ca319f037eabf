"""How an execution ended: what to report to the ledger for each outcome of a run."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobqueue.errors import JobQueueError, OperationFailed, OperationNotNeeded
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState
from jobqueue.model.timestamps import duration_text
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.result import checked
from workers.agent.execution.running import RunningExecution

logger = logging.getLogger(__name__)

#: Longer errors are cut: a note is for a person, and every listing carries it.
_LONGEST_NOTE = 2000
#: Maximum bytes of the JSON that describes a failure.
_LARGEST_FAILURE = 64 * 1024
_draw = random.Random().random  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True)
class Ending:
    """The end of an attempt. ``answer`` is stored besides the state; ``retry_in``: seconds until it is retried."""

    state: ExecutionState
    note: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    retry_in: float | None = None
    retry_note: str = ""


def returned(running: RunningExecution, outcome: Outcome) -> Ending:
    """For an operation that returned: completed, or failed with its data kept. The job's policy may allow a retry."""
    answer = {"data": outcome.data, "changed": bool(outcome.changed)}
    if outcome.error is None:
        return Ending(ExecutionState.COMPLETED, answer=answer)
    return replace(failed(running, outcome.error), answer=answer)


def skipped(error: JobQueueError) -> Ending:
    """For an operation that this host lacks, does not support, or does not need."""
    is_needless = isinstance(error, OperationNotNeeded)
    return Ending(ExecutionState.SKIPPED, error.message if is_needless else f"not supported: {error.message}")


def failed(running: RunningExecution, error: str, failure: Mapping[str, Any] | None = None) -> Ending:
    """For a failed attempt; ``failure`` is the operation's report. The job's policy may allow a retry."""
    policy, attempt = RetryPolicy(**running.document.get("retries", {})), running.claim.attempt
    error = error[:_LONGEST_NOTE]
    if attempt >= policy.max_attempts:
        bounded_failure = bounded(running, failure, _LARGEST_FAILURE) if failure else None
        return Ending(ExecutionState.FAILED, error, {} if bounded_failure is None else {"failure": bounded_failure})
    delay = policy.delay_seconds(attempt, _draw())
    wait = duration_text(int(delay * 1e6))
    again = f"attempt {attempt} of {policy.max_attempts} failed, next in {wait}: {error}"
    return Ending(ExecutionState.FAILED, error, retry_in=delay, retry_note=again)


def stopped(running: RunningExecution, *, is_idempotent: bool) -> Ending | None:
    """For an operation that obeyed a stop request. None: its lease was lost, so this agent must not report its end."""
    if running.reason == "stale":
        return None
    if running.reason != "shutdown":
        return Ending(ExecutionState.CANCELLED, "on request")
    note = f"agent {running.claim.hostname} shut down during the run"
    retries = running.document.get("retries")
    may_again = retries is None or running.claim.attempt < retries["max_attempts"]
    if running.is_idle or (may_again and is_idempotent):
        return Ending(ExecutionState.FAILED, note, retry_in=0.0, retry_note=note)
    return failed(running, note)


def given_up(running: RunningExecution) -> Ending | None:
    """For an operation that ignored its deadline or a stop request. None as for ``stopped``."""
    still = "the operation did not stop and may still be running in the agent"
    if running.reason == "stale":
        return None
    if running.reason == "cancel":
        return Ending(ExecutionState.CANCELLED, still)
    reason = "the agent shut down" if running.reason == "shutdown" else "timed out"
    return failed(running, f"{reason}; {still}")


def bounded(running: RunningExecution, reported: Mapping[str, Any], largest: int) -> dict[str, Any] | None:
    """An operation's report as JSON of at most ``largest`` bytes; None if it is not JSON or too large."""
    try:
        document: dict[str, Any] = checked(dict(reported), largest)
    except OperationFailed as error:
        logger.warning("A report of job %s is dropped: %s", running.claim.job_id, error)
        return None
    return document
