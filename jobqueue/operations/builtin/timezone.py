"""The time zone of the system."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, state_diff
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import change_text, read_text
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Text, shape

_LINK = Path("/etc/localtime")
#: Debian and some others keep the name in a file, too.
_NAME = Path("/etc/timezone")
_ZONES = Path("/usr/share/zoneinfo")


class TimezoneSchema(ChangeSchema):
    timezone = Text(
        required=True,
        **shape(
            r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z][A-Za-z0-9_+-]{0,31}){0,2}",
            "Must be the name of a time zone, such as Europe/Berlin or UTC.",
        ),
    )


@operation("node.timezone.get", permission="agent:read")
def timezone_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The time zone of the system and its present offset from UTC."""
    zone = _present()
    return {"timezone": zone, "utc_offset": _offset(zone)}


@operation("node.timezone.update", schema=TimezoneSchema, changes=True, idempotent=True, permission="timezone:write")
def timezone_update(data: dict[str, Any], context: Context) -> Outcome:
    """Set the time zone of the system; running programs keep theirs."""
    zone, before = data["timezone"], _present()
    target = _ZONES / zone
    if not target.is_file():
        raise OperationFailed(f"This host has no time zone {zone} in {_ZONES}.")
    diff = state_diff("time zone", {"timezone": before}, {"timezone": zone})
    if before != zone and not data["check"]:
        _link(target)
    named = change_text(_NAME, f"{zone}\n", data, context).changed if _NAME.exists() else False
    return change_outcome(Change(before != zone or named, diff), data, {"timezone": zone})


def _present() -> str:
    try:
        target = str(_LINK.readlink())
    except OSError:  # no link: a copy, or nothing, which is UTC
        return (read_text(_NAME) or "").strip() or "UTC"
    _, separator, zone = target.partition("zoneinfo/")
    return zone if separator else target


def _offset(zone: str) -> str | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # 0.3 MiB, which most agents never need

    try:
        text = datetime.now(ZoneInfo(zone)).strftime("%z")
    except (ZoneInfoNotFoundError, ValueError):
        return None
    return f"{text[:3]}:{text[3:5]}"


def _link(target: Path) -> None:
    """Replace the link in one step."""
    try:
        with tempfile.TemporaryDirectory(prefix=".jobqueue-", dir=_LINK.parent) as folder:
            fresh = Path(folder) / _LINK.name
            fresh.symlink_to(target)
            fresh.rename(_LINK)
    except OSError as error:
        raise OperationFailed(f"{_LINK} cannot be replaced: {error.strerror}.") from error
