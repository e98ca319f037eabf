"""Cron entries: one file each in /etc/cron.d, or in /etc/cron.daily and the like for a script from an object."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validate, validates, validates_schema

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.account import account_name, user_entry
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, combined
from jobqueue.operations.context import Context
from jobqueue.operations.crontab_line import INTERVALS, CrontabLine, command_problem, schedule_problem
from jobqueue.operations.host_file import MARK, change_text, own_text, read_text
from jobqueue.operations.object_file import ObjectText, object_text, put_text
from jobqueue.operations.object_reference import ObjectSchema, object_permissions, with_source
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Schema, Text, shape

_READ, _WRITE = "cron:read", "cron:write"
_FOLDER = Path("/etc/cron.d")
#: The first line of files that jobqueue may change.
#: The scripts that entries run, each under the name of its entry. Every user may read and run them.
_SCRIPTS = Path("/usr/local/lib/jobqueue-cron")
#: Entries of /etc/cron.daily and the like begin so, and run their script.
_WRAPPER_HEAD = f"#!/bin/sh\n{MARK}"
_INTERVAL_BY_SCHEDULE = {schedule: interval for interval, schedule in INTERVALS.items()}


def _entry_name() -> Text:
    # cron does not read files whose names have other characters
    return Text(
        required=True,
        **shape(r"[A-Za-z0-9_-]{1,64}", "Must be at most 64 letters, digits, hyphens and underscores."),
    )


class NameSchema(Schema):
    name = _entry_name()


class _EntrySchema(ObjectSchema, ChangeSchema):
    name = _entry_name()
    schedule = Text(
        validate=validate.Length(1, 200),
        metadata={"description": "Five fields as in a crontab, or @daily and the like."},
    )
    interval = Text(validate=validate.OneOf(list(INTERVALS)), metadata={"description": "An alternative to schedule."})
    user = account_name(description="The user that runs it; default of a new entry: root.")
    command = Text(
        validate=validate.Length(1, 900),
        metadata={"description": "One line for /bin/sh, in place of an object; a percent sign is written as \\%."},
    )

    @validates("schedule")
    def _known_schedule(self, value: str, **_kwargs: Any) -> None:
        problem = schedule_problem(value)
        if problem:
            raise ValidationError(problem)

    @validates("command")
    def _one_line(self, value: str, **_kwargs: Any) -> None:
        problem = command_problem(value)
        if problem:
            raise ValidationError(problem)

    @validates_schema
    def _of_an_object(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "object" not in data:
            for name in ("content_type", "vars"):
                if name in data:
                    raise ValidationError("Only with an object.", name)
        elif "interval" in data and "user" in data:
            raise ValidationError("Only with schedule: scripts in /etc/cron.daily and the like run as root.", "user")


class CreateSchema(_EntrySchema):
    @validates_schema
    def _one_time(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if ("schedule" in data) == ("interval" in data):
            raise ValidationError("Give either schedule or interval.")

    @validates_schema
    def _one_program(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "command" not in data and "object" not in data:
            raise ValidationError("Missing data for required field: give command or object.", "command")
        if "command" in data and "object" in data:
            raise ValidationError("Give either command or object.", "command")


class UpdateSchema(_EntrySchema):
    @validates_schema
    def _one_each(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "schedule" in data and "interval" in data:
            raise ValidationError("Give either schedule or interval.")
        if "command" in data and "object" in data:
            raise ValidationError("Give either command or object.", "command")


class DeleteSchema(ChangeSchema):
    name = _entry_name()


@dataclass(frozen=True)
class _Entry:
    """An entry as it is, or shall be. With an ``interval`` it is a file of /etc/cron.daily and the like, run by root.

    ``command``: None if it runs its script.
    """

    name: str
    schedule: str
    user: str
    command: str | None
    interval: str = ""

    @property
    def script(self) -> Path:
        return _SCRIPTS / self.name

    @property
    def path(self) -> Path:
        return _folder(self.interval) / self.name

    @property
    def text(self) -> str:
        if self.interval:
            return f"{_WRAPPER_HEAD}exec {self.script}\n"
        return MARK + CrontabLine(self.schedule, self.user, self.command or str(self.script)).text

    def shown(self, context: Context) -> dict[str, Any]:
        interval = self.interval or _INTERVAL_BY_SCHEDULE.get(self.schedule)
        times = {"interval": interval} if interval else {"schedule": self.schedule}
        common = {"name": self.name, **times, "source": self.interval or "cron.d", "user": self.user}
        if self.command is not None:
            return {**common, "command": self.command}
        deployed = context.deployments.get(str(self.script)) if context.deployments is not None else None
        origin = {"object": deployed.object, "version": deployed.version} if deployed is not None else {}
        return {**common, "script": str(self.script), **origin}


@operation("schedule.cron.list", permission=_READ)
def cron_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Cron entries that jobqueue created."""
    folders = (_folder(interval) for interval in ("", *INTERVALS))
    names = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    return {"entries": [entry.shown(context) for name in sorted(names) for entry in _entries_named(name)]}


@operation("schedule.cron.get", schema=NameSchema, permission=_READ)
def cron_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cron entry that jobqueue created."""
    return {"entries": [_present(data["name"]).shown(context)]}


@operation(
    "schedule.cron.create",
    schema=CreateSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=object_permissions,
)
def cron_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create a cron entry that runs a command or an object, or replace one that jobqueue created under this name."""
    new = _Entry(data["name"], _schedule(data) or "", data.get("user", "root"), data.get("command"))
    if new.command is None and "interval" in data:
        new = replace(new, interval=data["interval"])
    return _write(new, data, context)


@operation(
    "schedule.cron.update",
    schema=UpdateSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=object_permissions,
)
def cron_update(data: dict[str, Any], context: Context) -> Outcome:
    """Change a cron entry that jobqueue created; fields that are not given keep their values."""
    new = _present(data["name"])
    if "command" in data or "object" in data:
        new = replace(new, command=data.get("command"))
    schedule = _schedule(data)
    if schedule is not None:
        new = replace(new, schedule=schedule)
    if "user" in data:
        new = replace(new, user=data["user"])
    return _write(replace(new, interval=_interval_folder(new, data)), data, context)


@operation("schedule.cron.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def cron_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Delete a cron entry that jobqueue created; does nothing if it does not exist."""
    name = data["name"]
    own_text(_FOLDER / name)  # raises for the file of another program
    paths = {_FOLDER / name: None, **{entry.path: None for entry in _entries_named(name)}, _SCRIPTS / name: None}
    changes = [change_text(path, None, data, context) for path in paths]
    return change_outcome(combined(changes), data, {"name": name})


def _interval_folder(new: _Entry, data: Mapping[str, Any]) -> str:
    """The interval in whose folder a changed entry belongs; "" for /etc/cron.d."""
    if new.command is not None or "schedule" in data:
        return ""
    if "interval" in data and "user" not in data and new.user == "root":
        return str(data["interval"])
    if new.interval and "user" in data:
        raise OperationFailed(f"{new.path} is run by root; give schedule as well to have another user run it.")
    return "" if "interval" in data else new.interval


def _schedule(data: Mapping[str, Any]) -> str | None:
    return INTERVALS[data["interval"]] if "interval" in data else data.get("schedule")


def _folder(interval: str) -> Path:
    return _FOLDER.with_name(f"cron.{interval}") if interval else _FOLDER


def _write(entry: _Entry, data: Mapping[str, Any], context: Context) -> Outcome:
    folder = _folder(entry.interval)
    if not folder.is_dir():
        raise OperationNotSupported(f"This host has no {folder}: install cron.")
    own_text(entry.path, _WRAPPER_HEAD if entry.interval else MARK)  # raises for the file of another program
    user_entry(entry.user)  # cron ignores a line of an unknown user
    script = _script(data, context)
    changes = [_put_script(entry.script, script.text, data, context)] if script is not None else []
    changes.append(put_text(entry.path, entry.text, data, context, "0755" if entry.interval else "0644"))
    # the old entry goes after the new one is there, and a script after what runs it
    old = (other for other in _entries_named(entry.name) if other.path != entry.path)
    changes += [change_text(other.path, None, data, context) for other in old]
    if entry.command is not None:
        changes.append(change_text(entry.script, None, data, context))
    answer: dict[str, Any] = {"name": entry.name}
    if script is not None and not data["check"]:
        answer |= script.record(entry.script, script.text, "cron", context)
    return change_outcome(combined(changes), data, answer)


def _script(data: Mapping[str, Any], context: Context) -> ObjectText | None:
    """The script that the data names. Raises ``OperationFailed`` for an object that is none."""
    if "object" not in data:
        return None
    script = object_text(data, context)
    if not script.text.startswith("#!/"):
        raise OperationFailed(
            f"The object {script.content.object} is not a script: its first line must name the program that runs it, "
            "as in #!/bin/sh."
        )
    return script


def _put_script(path: Path, text: str, data: Mapping[str, Any], context: Context) -> Change:
    folder = path.parent
    try:
        if not data["check"] and not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # whatever the agent's umask is
        status = folder.lstat() if folder.exists() else None
    except OSError as error:
        raise OperationFailed(f"{folder}: {error.strerror}") from error
    if status is not None and (not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022):
        raise OperationFailed(f"{folder} is not a directory that only its owner can write to; no script was put there.")
    return put_text(path, text, data, context, "0755")


def _present(name: str) -> _Entry:
    for entry in _entries_named(name):
        return entry
    raise OperationFailed(f"jobqueue has created no entry {name} on this host.")


def _entries_named(name: str) -> Iterator[_Entry]:
    """The entries that jobqueue created under this name."""
    text = _body(_FOLDER / name, MARK)
    line = CrontabLine.parse(text.partition("\n")[0]) if text is not None else None
    if line is not None:
        is_script = line.command == str(_SCRIPTS / name)
        yield _Entry(name, line.schedule, line.user, None if is_script else line.command)
    for interval, schedule in INTERVALS.items():
        if _body(_folder(interval) / name, _WRAPPER_HEAD) is not None:
            yield _Entry(name, schedule, "root", None, interval)


def _body(path: Path, head: str) -> str | None:
    """The text after the head of a file that jobqueue created; None for others."""
    if path.is_symlink() or not path.is_file():
        return None
    text = read_text(path) or ""
    return text.removeprefix(head) if text.startswith(head) else None
