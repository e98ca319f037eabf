"""Processes of the host: one of them, and signals."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, TypeVar

import psutil
from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process_state import ATTRIBUTES, process_state
from jobqueue.operations.schema import Schema, Text, Whole
from jobqueue.operations.self_protection import protect_process

_T = TypeVar("_T")
_MAX_PID = 2**22  # Linux has no higher ones
_SIGNALS = ("TERM", "KILL", "HUP", "INT", "USR1", "USR2")


class PidSchema(Schema):
    pid = Whole(required=True, validate=validate.Range(1, _MAX_PID))


class SignalSchema(ChangeSchema):
    pid = Whole(required=True, validate=validate.Range(1, _MAX_PID))
    signal = Text(required=True, validate=validate.OneOf(_SIGNALS))


@operation("node.process.get", schema=PidSchema, permission="agent:read")
def process_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One process; its command line is left out, since it may hold passwords."""
    return {"process": _on_process(data["pid"], lambda process: process_state(process.as_dict(list(ATTRIBUTES))))}


@operation("node.process.signal", schema=SignalSchema, changes=True, permission="process:execute")
def process_signal(data: dict[str, Any], context: Context) -> Outcome:
    """Send a signal to a process. The agent, its parents and process 1 get none."""
    pid, name = data["pid"], data["signal"]
    protect_process(pid)
    number = signal.Signals[f"SIG{name}"]
    action: Callable[[psutil.Process], Any] = (
        psutil.Process.name if data["check"] else lambda one: one.send_signal(number)
    )
    _on_process(pid, action)
    return change_outcome(Change(True), data, {"pid": pid, "signal": name})


def _on_process(pid: int, action: Callable[[psutil.Process], _T]) -> _T:
    try:
        return action(psutil.Process(pid))
    except psutil.NoSuchProcess:
        raise OperationFailed(f"This host has no process {pid}.") from None
    except psutil.AccessDenied:
        raise OperationFailed(f"The agent's user has no permission for this on process {pid}.") from None
