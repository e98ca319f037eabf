"""Verifies a run: its rollout names an operation that must succeed on the host before the host counts as done."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from jobqueue.errors import JobQueueError, OperationCancelled, OperationTimedOut
from jobqueue.model.verification import Verification
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.runner import run_operation
from workers.agent.execution.ending import Ending, failed, returned
from workers.agent.execution.running import RunningExecution
from workers.agent.guard.operation_guard import Permit

logger = logging.getLogger(__name__)

#: Seconds between two attempts of a verification: it doubles up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 5.0


def verified(running: RunningExecution, outcome: Outcome, permit: Permit, context: Context) -> Ending:
    """How a run that completed ends: completed if its verification succeeds in time, else failed with its data kept.

    Raises ``OperationCancelled`` if the run is asked to stop meanwhile.
    """
    terms = Verification.read(running.document["rollout"]["verify"])
    begun = time.monotonic()
    until = running.deadline = begun + terms.within_seconds  # the timeout of the run itself was kept
    # what the operation reports of itself would replace what the run has reported
    verifying = replace(
        context,
        deadline=until,
        timeout_seconds=terms.within_seconds,
        report=lambda _info: None,
        **permit.means(),
    )
    wait, attempts, error = _FIRST_WAIT, 0, ""
    while True:
        attempts += 1
        _report(running, context, terms, attempts, "running")
        error = _error(permit, terms, verifying, error)
        if not error:
            _report(running, context, terms, attempts, "succeeded")
            return returned(running, outcome)
        if time.monotonic() + wait >= until:
            break
        running.stop.wait(wait)
        context.check()
        wait = min(2 * wait, _LONGEST_WAIT)
    _report(running, context, terms, attempts, "failed")
    logger.info("The verification of job %s failed %d times: %s", running.claim.job_id, attempts, error)
    times = "" if attempts == 1 else f" {attempts} times within {terms.within_seconds:g} s"
    ending = failed(running, f"the verification {terms.operation} failed{times}: {error}")
    return replace(ending, answer={"data": outcome.data, "changed": bool(outcome.changed)})


def _error(permit: Permit, terms: Verification, context: Context, before: str) -> str:
    """Why the verification failed; empty if it succeeded. ``before``: the error of the attempt before."""
    try:
        return run_operation(permit.operation, terms.data, context).error or ""
    except OperationCancelled:
        raise
    except OperationTimedOut as error:  # an attempt that the end of the time cut short says less than the one before
        return before or error.message
    except JobQueueError as error:
        return error.message


def _report(running: RunningExecution, context: Context, terms: Verification, attempts: int, state: str) -> None:
    about = {"operation": terms.operation, "attempts": attempts, "state": state}
    context.report({**(running.info or {}), "verification": about})
