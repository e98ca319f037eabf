"""Runs that apply a fleet plan: an agent remembers what its checks found, and applies only what a plan holds of it."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from jobqueue.atomic_file import replace_file
from jobqueue.errors import OperationFailed
from jobqueue.model.fleet_plan import FIELD, change_digest
from jobqueue.operations.base import Operation
from jobqueue.operations.change import ChangeSchema, PlanSchema
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import flat_messages

_FOLDER = "plans"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,300}")
#: Checks that an agent remembers, the newest.
_MOST_RECORDS = 500

_log = logging.getLogger(__name__)

Perform = Callable[[dict[str, Any]], Outcome]


def run_planned(operation: Operation, data: dict[str, Any], context: Context, perform: Perform) -> Outcome:
    """``perform(data)``, remembered if it is a check; with a plan, only if the host still needs the planned change.

    Raises ``OperationFailed`` for a host that does not: then nothing was changed.
    """
    if not issubclass(operation.schema, ChangeSchema):
        return perform(data)
    if FIELD not in data:
        outcome = perform(data)
        if data.get("check") is True:
            _remember(outcome, context)
        return outcome
    data = dict(data)
    plan = _plan(data.pop(FIELD))
    _compare(plan, perform({**data, "check": True}), context)
    return perform(data)


def _plan(document: Any) -> Mapping[str, Any]:
    try:
        loaded: dict[str, Any] = PlanSchema().load(document)
    except ValidationError as error:
        raise OperationFailed("The plan is not valid.", flat_messages(error.messages, FIELD)) from None
    return loaded


def _compare(plan: Mapping[str, Any], check: Outcome, context: Context) -> None:
    name = f"plan {plan['hash'][:12]} (job {plan['job']})"
    expected = _remembered(plan["job"], context)
    if expected is None:
        raise OperationFailed(f"This host has no record of the {name}; nothing was changed. Check it again.")
    if expected not in plan["changes"]:
        raise OperationFailed(f"The {name} does not hold the change of this host; nothing was changed.")
    if change_digest(check.data) == expected:
        return
    if context.attempt > 1 and isinstance(check.data, Mapping) and check.data.get("would_change") is False:
        return  # an attempt before this one has changed it
    raise OperationFailed(
        f"This host no longer matches the {name}: since it was checked, what would change has become another. "
        "Nothing was changed; check it again."
    )


def _remember(outcome: Outcome, context: Context) -> None:
    """Store what a check has found, for a plan that may be made of it; without a record, the host refuses the plan."""
    path, digest = _path(context.job_id, context), change_digest(outcome.data)
    if path is None or digest is None or outcome.error is not None:
        return
    try:
        replace_file(path, digest)
        _forget_oldest(path.parent)
    except OSError as error:
        _log.warning("What job %s has checked cannot be stored, so no plan of it can be applied: %s", path.name, error)


def _remembered(job_id: str, context: Context) -> str | None:
    path = _path(job_id, context)
    try:
        return path.read_text(encoding="ascii").strip() if path is not None else None
    except (OSError, ValueError):
        return None


def _path(job_id: str, context: Context) -> Path | None:
    """The file of this agent for a job; several agents of one host may share a state directory."""
    name = f"{job_id}@{context.hostname}"
    if context.settings is None or not job_id or not _NAME.fullmatch(name.replace("@", "-")):
        return None
    return context.settings.state_dir / _FOLDER / name


def _forget_oldest(folder: Path) -> None:
    records = list(folder.iterdir())
    if len(records) <= _MOST_RECORDS:
        return
    with contextlib.suppress(FileNotFoundError):  # another agent of this host forgets as well
        for path in sorted(records, key=lambda record: record.stat().st_mtime)[: len(records) - _MOST_RECORDS]:
            path.unlink()
