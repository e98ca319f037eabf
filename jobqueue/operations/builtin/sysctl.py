"""Parameters of the kernel: their values now, and those that a file of jobqueue sets at boot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, state_diff
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import change_text, is_own, own_text, read_text
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Schema, Text, shape
from jobqueue.operations.text import brief
from jobqueue.plain_text import reason_of

_READ, _WRITE = "agent:read", "sysctl:write"
_KERNEL = Path("/proc/sys")
_FILE = Path("/etc/sysctl.d/90-jobqueue.conf")
_HEAD = "# Written by jobqueue; other lines than KEY = VALUE are not kept.\n"


def _key() -> Text:
    return Text(
        required=True,
        **shape(
            r"[a-z0-9_]+(?:\.[A-Za-z0-9_-]+){1,8}",
            "Must be the name of a kernel parameter with dots, such as net.ipv4.ip_forward.",
        ),
    )


def _value() -> Text:
    return Text(
        required=True,
        validate=[
            validate.Length(1, 500),
            shape(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", "Must be one line.")["validate"],
        ],
    )


class KeySchema(Schema):
    key = _key()


class ValueSchema(ChangeSchema):
    key = _key()
    value = _value()


class DeleteSchema(ChangeSchema):
    key = _key()


@operation("node.sysctl.list", permission=_READ)
def sysctl_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Kernel parameters that jobqueue sets at boot."""
    return {"sysctls": [{"key": key, "value": value} for key, value in sorted(_managed().items())]}


@operation("node.sysctl.get", schema=KeySchema, permission=_READ)
def sysctl_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The present value of a kernel parameter."""
    key = data["key"]
    return {"key": key, "value": _present(key), "managed": key in _managed()}


@operation("node.sysctl.create", schema=ValueSchema, changes=True, idempotent=True, permission=_WRITE)
def sysctl_create(data: dict[str, Any], context: Context) -> Outcome:
    """Set a kernel parameter, now and at every boot."""
    return _set(data, context)


@operation("node.sysctl.update", schema=ValueSchema, changes=True, idempotent=True, permission=_WRITE)
def sysctl_update(data: dict[str, Any], context: Context) -> Outcome:
    """Change the value of a kernel parameter that jobqueue sets."""
    if data["key"] not in _pairs(own_text(_FILE, _HEAD)):
        raise OperationFailed(f"jobqueue does not set {data['key']} on this host; node.sysctl.create does.")
    return _set(data, context)


@operation("node.sysctl.delete", schema=DeleteSchema, changes=True, idempotent=True, permission=_WRITE)
def sysctl_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Stop setting a kernel parameter at boot; its present value stays until the next boot."""
    key, managed = data["key"], _pairs(own_text(_FILE, _HEAD))
    if key not in managed:
        return change_outcome(Change(False), data, {"key": key})
    del managed[key]
    return change_outcome(change_text(_FILE, _text(managed), data, context), data, {"key": key})


def _set(data: dict[str, Any], context: Context) -> Outcome:
    key, value = data["key"], " ".join(data["value"].split())
    managed = _pairs(own_text(_FILE, _HEAD))  # raises for the file of another program
    before = _present(key)
    is_other = before != value
    if is_other and not data["check"]:  # first: a value that the kernel refuses must not be set at boot
        _write(key, value)
    in_file = change_text(_FILE, _text(managed | {key: value}), data, context)
    diff = state_diff("kernel", {key: before}, {key: value}) + in_file.diff
    return change_outcome(Change(is_other or in_file.changed, diff), data, {"key": key})


def _path(key: str) -> Path:
    return _KERNEL.joinpath(*key.split("."))


def _present(key: str) -> str:
    """The value, with single blanks. Raises ``OperationFailed``."""
    try:
        return " ".join(_path(key).read_text(encoding="utf-8", errors="replace").split())
    except OSError as error:
        if isinstance(error, (FileNotFoundError, IsADirectoryError)):
            raise OperationFailed(f"The kernel of this host has no parameter {key}.") from error
        raise OperationFailed(f"{key} cannot be read: {reason_of(error)}.") from error


def _write(key: str, value: str) -> None:
    try:
        with _path(key).open("w", encoding="utf-8") as file:
            file.write(f"{value}\n")
    except OSError as error:
        raise OperationFailed(f"{key} cannot be set to {brief(value, 100)!r}: {reason_of(error)}.") from error


def _managed() -> dict[str, str]:
    """What jobqueue sets; nothing if the file is another program's."""
    text = read_text(_FILE)
    return _pairs(text) if is_own(text, _HEAD) else {}


def _pairs(text: str | None) -> dict[str, str]:
    lines = (text or "").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith(("#", ";")))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _text(managed: dict[str, str]) -> str | None:
    lines = [f"{key} = {value}\n" for key, value in sorted(managed.items())]
    return _HEAD + "".join(lines) if lines else None
