"""Run one operation on an agent: the single entry point of the executor."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobqueue.errors import (
    JobQueueError,
    OperationCancelled,
    OperationFailed,
    OperationNotSupported,
)
from jobqueue.operations import references
from jobqueue.operations.base import Operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.planned_run import run_planned
from jobqueue.operations.process.isolated import run_isolated
from jobqueue.operations.result import checked
from jobqueue.operations.text import brief, describe
from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor
from jobqueue.trust.secrets.reference import has_secret

_log = logging.getLogger(__name__)


def run_operation(operation: Operation, data: Mapping[str, Any] | None, context: Context) -> Outcome:
    """Fill facts and secrets into ``data``, validate it, run, and check the result.

    ``changed`` of the outcome is a bool. Neither output, reports, the result nor an error holds a secret of the host.

    Raises ``OperationFailed`` (``OperationTimedOut`` among it) with a message for the user, for any exception of the
    operation; ``OperationCancelled``; ``OperationNotSupported``. A traceback goes to the log only. An operation that is
    not isolated and never looks at the context may return after its deadline: that is the caller's to judge.
    """
    context.check()
    return run_planned(operation, dict(data or {}), context, lambda approved: _performed(operation, approved, context))


def _performed(operation: Operation, data: dict[str, Any], context: Context) -> Outcome:
    if operation.parts is not None:
        return _with_parts(operation, data, context)
    filled, redactor = _filled(operation, data, context)
    if not redactor:
        return _outcome(operation, filled, context)
    screen, report = StreamRedactor(redactor, context.output), context.report
    inner = replace(
        context,
        output=screen.write,
        report=lambda info: report(redactor.messages(info)),
        secrets=None,
        redactor=redactor,
    )
    try:
        outcome = _outcome(operation, filled, inner)
    except JobQueueError as error:
        raise _without_secrets(error, redactor) from None
    finally:
        screen.close()
    return Outcome(redactor.json(outcome.data), outcome.changed, outcome.error and redactor.message(outcome.error))


def _with_parts(operation: Operation, data: dict[str, Any], context: Context) -> Outcome:
    """Run an operation whose parts fill facts and secrets into their own data, and redact what they return."""
    try:
        outcome = _outcome(operation, data, context)
    except JobQueueError as error:
        raise _without_secrets(error, _known_secrets(context)) from None
    redactor = _known_secrets(context)
    return Outcome(redactor.json(outcome.data), outcome.changed, outcome.error and redactor.message(outcome.error))


def _known_secrets(context: Context) -> Redactor:
    return Redactor() if context.secrets is None else context.secrets.redactor()


def _filled(operation: Operation, data: dict[str, Any], context: Context) -> tuple[dict[str, Any], Redactor]:
    """The data with all references resolved, and the redactor for its secrets."""
    try:
        filled = dict(references.filled(operation, data, context.facts, context.steps))
        if context.secrets is None:
            if has_secret(filled):
                raise OperationFailed("The data refers to a secret, but this agent has none.")
            return filled, Redactor()
        # after the facts: a secret's value is not searched for references
        return context.secrets.fill_in(filled, context), context.secrets.redactor()
    except JobQueueError as error:
        raise _bounded(error) from error.__cause__


def _outcome(operation: Operation, data: dict[str, Any], context: Context) -> Outcome:
    """Run with complete data; any exception becomes an error for the user."""
    try:
        outcome = _run(operation, data, context)
        changed = operation.changes if outcome.changed is None else bool(outcome.changed)
        error = None if outcome.error is None else brief(str(outcome.error))
        return Outcome(checked(outcome.data, context.max_result_bytes), changed, error)
    except (OperationFailed, OperationCancelled, OperationNotSupported) as error:
        raise _bounded(error) from error.__cause__
    except JobQueueError as error:  # such as InvalidOperationData: a fact may not fit where it is put
        raise OperationFailed(brief(error.message), error.details) from error
    except (Exception, SystemExit) as error:
        _log.exception("operation %s of job %s raised", operation.type, context.job_id)
        raise OperationFailed(describe(error)) from error


def _run(operation: Operation, data: dict[str, Any], context: Context) -> Outcome:
    loaded = operation.load(data)
    # the child validates the data itself: loaded data need not be JSON any more
    answer = run_isolated(operation, data, context) if operation.isolated else operation.run(loaded, context)
    return answer if isinstance(answer, Outcome) else Outcome(answer)


def _without_secrets(error: JobQueueError, redactor: Redactor) -> JobQueueError:
    details = None if error.details is None else redactor.messages(error.details)
    return type(error)(redactor.message(str(error.message)), details)


def _bounded(error: JobQueueError) -> JobQueueError:
    """``error`` with a message that can be stored: messages of user operations can be any text."""
    message = brief(str(error.message))
    return error if message == error.message else type(error)(message, error.details)
