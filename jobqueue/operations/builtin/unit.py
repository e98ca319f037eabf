"""Units of systemd's services, from objects: one file each in /etc/systemd/system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validates

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.builtin.service import ServiceSchema
from jobqueue.operations.change import change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import MARK, change_text, own_text
from jobqueue.operations.object_file import object_text, put_text
from jobqueue.operations.object_reference import RequiredObjectSchema, object_permissions, with_source
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.self_protection import protect_unit
from jobqueue.operations.systemd import require_systemd, unit_name
from jobqueue.operations.tool import run_tool

_WRITE = "service:write"
_FOLDER = Path("/etc/systemd/system")
#: Where packages and generators have their units.
_OTHER_FOLDERS = tuple(map(Path, ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")))
_SECTION = "[Service]"
_REFUSED = "replace or delete its file"


def _check_name(name: str) -> None:
    if name.removesuffix(".service").endswith("@"):
        raise ValidationError("Must be the name of one service, not of a template such as getty@.")


class DeleteSchema(ServiceSchema):
    @validates("name")
    def _no_template(self, value: str, **_kwargs: Any) -> None:
        _check_name(value)


class UnitSchema(RequiredObjectSchema, ServiceSchema):
    @validates("name")
    def _no_template(self, value: str, **_kwargs: Any) -> None:
        _check_name(value)


def _permissions(data: Mapping[str, Any]) -> tuple[str, ...]:
    # a unit is a file that runs any program as any user
    return ("file:write", *object_permissions(data))


@operation(
    "node.service.create",
    schema=UnitSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=_permissions,
)
def unit_create(data: dict[str, Any], context: Context) -> Outcome:
    """Create the unit of a service from an object, or replace one that jobqueue created; it is not started."""
    path = _path(data)
    if own_text(path) is None:
        _refuse_others(path.name)
    return _write(path, data, context)


@operation(
    "node.service.update",
    schema=UnitSchema,
    changes=True,
    idempotent=True,
    permission=_WRITE,
    prepare=with_source,
    further_permissions=_permissions,
)
def unit_update(data: dict[str, Any], context: Context) -> Outcome:
    """Replace the unit of a service that jobqueue created; the service is not restarted."""
    path = _path(data)
    if own_text(path) is None:
        raise OperationFailed(f"jobqueue has created no unit {path.name} on this host; node.service.create does.")
    return _write(path, data, context)


@operation("node.service.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def unit_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Stop and disable a service whose unit jobqueue created, and delete the unit; does nothing without one."""
    path = _path(data)
    if own_text(path) is not None and not data["check"]:
        run_tool(["systemctl", "disable", "--now", "--", path.name], context)
    change = change_text(path, None, data, context)
    if not data["check"]:
        _reload(path.name, context, is_changed=change.changed)
    return change_outcome(change, data, {"name": data["name"]})


def _path(data: Mapping[str, Any]) -> Path:
    require_systemd()
    unit = unit_name(data["name"])
    protect_unit(unit, _REFUSED)
    return _FOLDER / unit


def _refuse_others(unit: str) -> None:
    """Raise ``OperationFailed`` if the host has this service already: a new unit would take its place."""
    for folder in _OTHER_FOLDERS:
        if (folder / unit).exists():
            raise OperationFailed(f"This host has the service already ({folder / unit}); choose another name.")


def _write(path: Path, data: Mapping[str, Any], context: Context) -> Outcome:
    unit = object_text(data, context)
    if _SECTION not in (line.strip() for line in unit.text.splitlines()):
        raise OperationFailed(
            f"The object {unit.content.object} is not the unit of a service: it has no line {_SECTION}."
        )
    text = MARK + unit.text
    change = put_text(path, text, data, context)
    answer = {"name": data["name"]}
    if not data["check"]:
        answer |= unit.record(path, text, "service", context)
        _reload(path.name, context, is_changed=change.changed)
    return change_outcome(change, data, answer)


def _reload(unit: str, context: Context, *, is_changed: bool) -> None:
    """Have systemd read its units again, if it has not read this one since it changed."""
    if is_changed or "NeedDaemonReload=yes" in run_tool(
        ["systemctl", "show", "--property=NeedDaemonReload", "--", unit], context
    ):
        run_tool(["systemctl", "daemon-reload"], context)
