"""Run one operation on an agent: the single entry point of the executor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from jobqueue.errors import (
    JobQueueError,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
)
from jobqueue.operations.base import Operation
from jobqueue.operations.context import Context
from jobqueue.operations.facts import resolve_facts
from jobqueue.operations.isolated import run_isolated
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.result import checked
from jobqueue.operations.text import brief, describe

_log = logging.getLogger(__name__)


def run_operation(operation: Operation, data: Mapping[str, Any] | None, context: Context) -> Outcome:
    """Fill facts into ``data``, validate it, run, and check the result; ``changed`` of the outcome is a bool.

    Raises ``OperationFailed`` (``OperationTimedOut`` among it) with a message for the user, whatever the operation
    raised; ``OperationCancelled``; ``OperationNotSupported``. A traceback goes to the log only. An operation that is
    not isolated and never looks at the context may return after its deadline: that is the caller's to judge.
    """
    context.check()
    try:
        given = dict(data or {})
        outcome = _run(operation, resolve_facts(given, context.facts) if operation.takes_facts else given, context)
        changed = operation.changes if outcome.changed is None else bool(outcome.changed)
        return Outcome(checked(outcome.data, context.max_result_bytes), changed)
    except (OperationFailed, OperationCancelled, OperationNotSupported) as error:
        raise _bounded(error) from error.__cause__
    except JobQueueError as error:  # such as InvalidOperationData: a fact may not fit where it is put
        raise OperationFailed(brief(error.message), error.details) from error
    except (Exception, SystemExit) as error:
        _log.exception("operation %s of job %s raised", operation.type, context.job_id)
        raise OperationFailed(describe(error)) from error


def _run(operation: Operation, data: dict[str, Any], context: Context) -> Outcome:
    loaded = operation.load(data)
    # the child validates for itself: what a schema makes of the data need not be JSON any more
    answer = run_isolated(operation, data, context) if operation.isolated else operation.run(loaded, context)
    return answer if isinstance(answer, Outcome) else Outcome(answer)


def _bounded(error: JobQueueError) -> JobQueueError:
    """``error`` with a message that can be stored: operations of users word theirs as they like."""
    message = brief(str(error.message))
    return error if message == error.message else type(error)(message, error.details)
