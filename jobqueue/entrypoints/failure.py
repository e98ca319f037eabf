"""Failure types of an entrypoint: ``error_type`` in the details of its failure."""

from __future__ import annotations

from typing import Any

from jobqueue.errors import OperationFailed

#: Its environment could not be set up.
SETUP_FAILED = "setup_failed"
#: It needs more resources than its host has.
UNSCHEDULABLE = "unschedulable"
#: Its shell could not be started.
START_FAILED = "start_failed"
#: It exited with another code than 0; the details have ``exit_code`` and ``output``, the end of what it printed.
COMMAND_FAILED = "command_failed"


def failed(error_type: str, message: str, **more: Any) -> OperationFailed:
    """The error of this type; ``more`` are further details, as JSON."""
    return OperationFailed(message, {"error_type": error_type, "message": message, **more})


def setup_failed(message: str, **more: Any) -> OperationFailed:
    """The error for an environment that could not be set up."""
    return failed(SETUP_FAILED, message, **more)
