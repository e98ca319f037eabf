"""Restarting and switching off a host, after the result of the execution is stored."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from marshmallow import validate

from jobqueue.atomic_file import replace_file
from jobqueue.errors import OperationCancelled, OperationFailed, OperationNotSupported, OperationTimedOut
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.run import discard
from jobqueue.operations.schema import Flag, Text, Whole, shape
from jobqueue.operations.systemd import require_systemd
from jobqueue.operations.tool import run_tool

_PERMISSION = "power:execute"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNIT = "jobqueue-power"
#: Several agents of one host may share a state directory.
_RECORD = "reboot-{}.json"
#: Seconds between the end of the operation and that of the host, at least: the result is stored by then.
LEAST_DELAY = 10
_MOST_DELAY = 7 * 24 * 3600
#: Seconds that a host has to go down after its delay.
_GOING_DOWN = 600
_LOOK_SECONDS = 1.0
_CALL_OFF_SECONDS = 3.0


class PowerSchema(ChangeSchema):
    delay = Whole(
        load_default=LEAST_DELAY,
        validate=validate.Range(0, _MOST_DELAY),
        metadata={"description": f"Seconds until then; fewer than {LEAST_DELAY} count as {LEAST_DELAY}."},
    )
    message = Text(
        load_default="",
        **shape(r"[^\x00-\x1f\x7f]{0,500}", "Must be one line of at most 500 characters."),
    )


class RebootSchema(PowerSchema):
    wait = Flag(
        load_default=False,
        metadata={"description": "End when the host is back; else as soon as the restart is scheduled."},
    )


@operation("node.power.reboot", schema=RebootSchema, changes=True, idempotent=True, permission=_PERMISSION)
def power_reboot(data: dict[str, Any], context: Context) -> Outcome:
    """Restart the host. A run that is repeated after the restart completes, and does not restart it again."""
    require_systemd()
    if data["check"]:
        return _outcome("reboot", _delay(data), data)
    boot, record = _boot_id(), _record_path(context)
    known = _read(record)
    if known.get("job") == context.job_id and context.job_id and known.get("boot") != boot:
        return _outcome("reboot", _delay(data), data)
    if record is not None:
        _write(record, {"job": context.job_id, "boot": boot})
    elif data["wait"]:
        raise OperationFailed("This agent has no state directory, without which it cannot wait for its host.")
    delay = _schedule("reboot", data, context)
    if data["wait"]:
        _wait(delay, context)
    return _outcome("reboot", delay, data)


@operation("node.power.shutdown", schema=PowerSchema, changes=True, permission=_PERMISSION)
def power_shutdown(data: dict[str, Any], context: Context) -> Outcome:
    """Switch the host off. It is not repeated when its agent is lost."""
    require_systemd()
    delay = _delay(data) if data["check"] else _schedule("shutdown", data, context)
    return _outcome("shutdown", delay, data)


def _outcome(action: str, delay: int, data: Mapping[str, Any]) -> Outcome:
    return change_outcome(Change(True, f"{action} in {delay} s\n"), data, {"action": action, "delay": delay})


def _delay(data: Mapping[str, Any]) -> int:
    return max(int(data["delay"]), LEAST_DELAY)


def _schedule(action: str, data: Mapping[str, Any], context: Context) -> int:
    """Have systemd do it later; a schedule of an earlier run is replaced. Returns the seconds until then."""
    delay = _delay(data)
    kind = "-r" if action == "reboot" else "-P"
    message = [data["message"]] if data["message"] else []
    # a timer of its own, which counts seconds and outlives the agent's unit
    _call_off(context)
    timer = ["systemd-run", f"--unit={_UNIT}", "--collect", f"--on-active={delay}s", "--timer-property=AccuracySec=1s"]
    run_tool([*timer, "--", "shutdown", kind, "now", *message], context)
    return delay


def _call_off(context: Context) -> None:
    """Cancel what is scheduled, if anything is: without, systemctl fails, which is no fault."""
    context.run(["systemctl", "stop", f"{_UNIT}.timer"], output=discard, timeout=_CALL_OFF_SECONDS)


def _wait(delay: int, context: Context) -> None:
    """Wait for the end of this process. The ledger gives the run to this agent again when the host is back."""
    until = context.clock() + delay + _GOING_DOWN
    context.report({"phase": "rebooting"})
    try:
        while context.clock() < until:
            context.check()
            context.cancelled.wait(_LOOK_SECONDS)
    except (OperationCancelled, OperationTimedOut):
        # also when the host goes down, or the agent restarts: neither is hindered, for the run is given to it again
        with contextlib.suppress(OperationFailed):  # a host that goes down starts no more programs
            _call_off(replace(context, cancelled=threading.Event(), deadline=None))
        raise
    raise OperationFailed(f"The host has not gone down within {_GOING_DOWN} s after its delay of {delay} s.")


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError as error:
        raise OperationNotSupported(f"This system does not number its boots: {error.strerror}.") from error


def _record_path(context: Context) -> Path | None:
    return context.settings.state_dir / _RECORD.format(context.hostname) if context.settings is not None else None


def _read(path: Path | None) -> Mapping[str, Any]:
    """The job of the last restart, and the boot in which it ran; empty without one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, Mapping) else {}


def _write(path: Path, record: Mapping[str, Any]) -> None:
    try:
        replace_file(path, json.dumps(record))
    except OSError as error:
        raise OperationFailed(f"{path} cannot be written: {error.strerror}.") from error
