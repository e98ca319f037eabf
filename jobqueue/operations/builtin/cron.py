"""Cron entries: one file each in /etc/cron.d."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validate, validates, validates_schema

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.account import account_name, user_entry
from jobqueue.operations.base import operation
from jobqueue.operations.change import ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.crontab_line import INTERVALS, CrontabLine, command_problem, schedule_problem
from jobqueue.operations.host_file import change_text, read_text
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Schema, Text, shape

_READ, _WRITE = "cron:read", "cron:write"
_FOLDER = Path("/etc/cron.d")
#: The first line of files that jobqueue may change.
_MARK = "# Written by jobqueue.\n"
_INTERVAL_BY_SCHEDULE = {schedule: interval for interval, schedule in INTERVALS.items()}


def _entry_name() -> Text:
    # cron does not read files whose names have other characters
    return Text(
        required=True,
        **shape(r"[A-Za-z0-9_-]{1,64}", "Must be at most 64 letters, digits, hyphens and underscores."),
    )


class NameSchema(Schema):
    name = _entry_name()


class _EntrySchema(ChangeSchema):
    name = _entry_name()
    schedule = Text(
        validate=validate.Length(1, 200),
        metadata={"description": "Five fields as in a crontab, or @daily and the like."},
    )
    interval = Text(validate=validate.OneOf(list(INTERVALS)), metadata={"description": "An alternative to schedule."})
    user = account_name(description="The user that runs it; default of a new entry: root.")

    @validates("schedule")
    def _known_schedule(self, value: str, **_kwargs: Any) -> None:
        problem = schedule_problem(value)
        if problem:
            raise ValidationError(problem)


class _Command(Text):
    def __init__(self, *, required: bool) -> None:
        super().__init__(
            required=required,
            validate=[validate.Length(1, 900), _check_command],
            metadata={"description": "One line for /bin/sh; a percent sign is written as \\%."},
        )


def _check_command(command: str) -> None:
    problem = command_problem(command)
    if problem:
        raise ValidationError(problem)


class CreateSchema(_EntrySchema):
    command = _Command(required=True)

    @validates_schema
    def _one_time(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if ("schedule" in data) == ("interval" in data):
            raise ValidationError("Give either schedule or interval.")


class UpdateSchema(_EntrySchema):
    command = _Command(required=False)

    @validates_schema
    def _one_time(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "schedule" in data and "interval" in data:
            raise ValidationError("Give either schedule or interval.")


class DeleteSchema(ChangeSchema):
    name = _entry_name()


@operation("schedule.cron.list", permission=_READ)
def cron_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Cron entries that jobqueue created."""
    names = sorted(path.name for path in _FOLDER.iterdir()) if _FOLDER.is_dir() else []
    found = ((name, _line(name)) for name in names)
    return {"entries": [_entry(name, line) for name, line in found if line]}


@operation("schedule.cron.get", schema=NameSchema, permission=_READ)
def cron_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cron entry that jobqueue created."""
    return {"entries": [_entry(data["name"], _present(data["name"]))]}


@operation("schedule.cron.create", schema=CreateSchema, changes=True, idempotent=True, permission=_WRITE)
def cron_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create a cron entry that runs a command, or replace one that jobqueue created under this name."""
    line = CrontabLine(_schedule(data) or "", data.get("user", "root"), data["command"])
    return _write(line, data, context)


@operation("schedule.cron.update", schema=UpdateSchema, changes=True, idempotent=True, permission=_WRITE)
def cron_update(data: dict[str, Any], context: Context) -> Outcome:
    """Change a cron entry that jobqueue created; fields that are not given keep their values."""
    old = _present(data["name"])
    line = CrontabLine(_schedule(data) or old.schedule, data.get("user", old.user), data.get("command", old.command))
    return _write(line, data, context)


@operation("schedule.cron.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def cron_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Delete a cron entry that jobqueue created; does nothing if it does not exist."""
    name = data["name"]
    _check_own(name)
    return change_outcome(change_text(_FOLDER / name, None, data, context), data, {"name": name})


def _schedule(data: Mapping[str, Any]) -> str | None:
    return INTERVALS[data["interval"]] if "interval" in data else data.get("schedule")


def _write(line: CrontabLine, data: Mapping[str, Any], context: Context) -> Outcome:
    name = data["name"]
    if not _FOLDER.is_dir():
        raise OperationNotSupported(f"This host has no {_FOLDER}: install cron.")
    _check_own(name)
    user_entry(line.user)  # cron ignores a line of an unknown user
    return change_outcome(change_text(_FOLDER / name, _MARK + line.text, data, context), data, {"name": name})


def _check_own(name: str) -> None:
    text = read_text(_FOLDER / name)
    if text is not None and not text.startswith(_MARK):
        raise OperationFailed(f"jobqueue has not made {_FOLDER / name}; it was left as it is.")


def _present(name: str) -> CrontabLine:
    line = _line(name)
    if line is None:
        raise OperationFailed(f"jobqueue has made no entry {name} on this host.")
    return line


def _line(name: str) -> CrontabLine | None:
    path = _FOLDER / name
    if path.is_symlink() or not path.is_file():
        return None
    mark, _, rest = (read_text(path) or "").partition("\n")
    return CrontabLine.parse(rest.partition("\n")[0]) if f"{mark}\n" == _MARK else None


def _entry(name: str, line: CrontabLine) -> dict[str, Any]:
    interval = _INTERVAL_BY_SCHEDULE.get(line.schedule)
    times = {"interval": interval} if interval else {"schedule": line.schedule}
    return {"name": name, **times, "source": "cron.d", "user": line.user, "command": line.command}
