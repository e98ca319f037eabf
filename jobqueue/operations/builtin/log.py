"""The system's log, as the journal of systemd has it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationNotSupported
from jobqueue.model.timestamps import from_iso, to_iso
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.schema import Schema, Text, Whole, shape
from jobqueue.operations.text import brief, clean
from jobqueue.operations.tool import run_tool

_READ = "log:read"
_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_MAX_MESSAGE_LENGTH = 8192
_MAX_SOURCES = 5000
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)? *[A-Za-z]+ *)+(?<!ago)(?<!left)")
_ZONED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2})")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+")


class QuerySchema(Schema):
    lines = Whole(load_default=100, validate=validate.Range(1, 2000), metadata={"description": "The newest entries."})
    since = Text(
        **shape(
            r"[0-9A-Za-z+-][0-9A-Za-z :.+-]{0,63}",
            "Must be a time: 1h (an hour ago), 2026-01-31T12:00:00Z, or as journalctl takes it, such as today.",
        ),
    )
    priority = Text(
        validate=validate.OneOf([*_PRIORITIES, *map(str, range(len(_PRIORITIES)))]),
        metadata={"description": "Entries of this priority and more urgent ones."},
    )


class UnitSchema(QuerySchema):
    name = Text(
        required=True,
        **shape(
            r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}",
            "Must be the name of one unit, such as nginx or docker.socket.",
        ),
    )


@operation("node.log.query", schema=QuerySchema, permission=_READ)
def log_query(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The newest entries of the journal, oldest first."""
    return {"entries": _entries(data, (), context)}


@operation("node.log.queryUnit", schema=UnitSchema, permission=_READ)
def log_query_unit(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The newest entries of one unit, oldest first."""
    return {"entries": _entries(data, (f"--unit={data['name']}",), context)}


@operation("node.log.sources", permission=_READ)
def log_sources(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The names under which programs write to the journal."""
    names = sorted({line for line in _journal(("--field=SYSLOG_IDENTIFIER",), context).splitlines() if line})
    return {"sources": names[:_MAX_SOURCES]}


def _entries(data: dict[str, Any], more: Sequence[str], context: Context) -> list[dict[str, Any]]:
    argv = [f"--lines={data['lines']}", "--output=json", *more]
    if "since" in data:
        argv.append(f"--since={_journal_time(data['since'].strip())}")
    if "priority" in data:
        argv.append(f"--priority={data['priority']}")
    entries = []
    for line in _journal(argv, context).splitlines():
        try:
            entry = json.loads(line)
        except ValueError:  # a line that the bound on the output has cut
            continue
        if isinstance(entry, dict):
            entries.append(_entry(entry))
    return entries


def _journal_time(text: str) -> str:
    """A time as every journalctl takes it: older ones know neither bare time spans nor the ``T``, ``Z`` and offsets of
    ISO 8601."""
    if _SPAN.fullmatch(text):
        return f"-{text}"
    if _ZONED.fullmatch(text):
        try:
            return f"@{from_iso(text) // 1_000_000}"
        except ValueError:
            return text  # journalctl names what is wrong
    return text.replace("T", " ") if _LOCAL.fullmatch(text) else text


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    time, pid = _text(entry.get("__REALTIME_TIMESTAMP")), _text(entry.get("_PID"))
    priority = _text(entry.get("PRIORITY"))
    return {
        "timestamp": to_iso(int(time)) if time.isdigit() else None,
        "unit": _text(entry.get("_SYSTEMD_UNIT")) or _text(entry.get("SYSLOG_IDENTIFIER")),
        "priority": _PRIORITIES[int(priority)] if priority in tuple("01234567") else None,
        "message": brief(_text(entry.get("MESSAGE")), _MAX_MESSAGE_LENGTH),
        "pid": int(pid) if pid.isdigit() else None,
        "hostname": _text(entry.get("_HOSTNAME")),
    }


def _text(value: Any) -> str:
    """The journal writes texts that are not UTF-8 as lists of bytes."""
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value).decode("utf-8", "replace")
    return clean(value) if isinstance(value, str) else ""


def _journal(argv: Sequence[str], context: Context) -> str:
    if shutil.which("journalctl") is None:
        raise OperationNotSupported("This host has no journalctl, so its log is not the journal of systemd.")
    return run_tool(["journalctl", "--no-pager", "--quiet", *argv], context)
