"""Time servers of chrony: the state of the clock, and the servers that jobqueue sets."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.base import operation
from jobqueue.operations.builtin.network import HostName
from jobqueue.operations.change import Change, ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import MARK, change_text, is_own, own_text, read_text
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Items
from jobqueue.operations.tool import run_tool

_READ, _WRITE = "agent:read", "ntp:write"
_TOOL = "chronyc"
#: chronyd reads every *.sources file of this folder, also while it runs.
_FOLDER = Path("/etc/chrony/sources.d")
_FILE = "jobqueue.sources"
_MOST_SERVERS = 20
#: Columns of ``chronyc -c tracking``: name of the source, stratum, offset of the system clock in seconds, leap status.
_SOURCE, _STRATUM, _OFFSET, _LEAP = 1, 2, 4, 13
_UNSYNCHRONISED = "Not synchronised"
#: Columns of ``chronyc -c sources``: the kind (a server is ^), and the name.
_KIND, _NAME = 0, 2


class ServersSchema(ChangeSchema):
    servers = Items(
        HostName(),
        required=True,
        validate=validate.Length(1, _MOST_SERVERS),
        metadata={"description": "Names or addresses; they replace the servers that jobqueue set before."},
    )


@operation("node.ntp.get", permission=_READ)
def ntp_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Whether the clock is synchronized, with which source and offset, and the servers."""
    _require_chrony()
    tracking = _rows("tracking", context)
    row = tracking[0] if tracking else []
    if len(row) <= _LEAP:
        raise OperationFailed("chronyc has printed another table than expected of its tracking.")
    is_synchronized = row[_LEAP] != _UNSYNCHRONISED
    sources = _rows("sources", context)
    return {
        "synchronized": is_synchronized,
        "stratum": int(row[_STRATUM]) if row[_STRATUM].isdigit() else None,
        "offset": f"{row[_OFFSET]}s",
        "current_source": row[_SOURCE] if is_synchronized else "",
        "servers": [source[_NAME] for source in sources if len(source) > _NAME and source[_KIND] == "^"],
        "managed": _managed(),
    }


@operation("node.ntp.create", schema=ServersSchema, changes=True, idempotent=True, permission=_WRITE)
def ntp_create(data: dict[str, Any], context: Context) -> Outcome:
    """Have chrony use these servers, beside those of its own configuration."""
    return _set(data["servers"], data, context)


@operation("node.ntp.update", schema=ServersSchema, changes=True, idempotent=True, permission=_WRITE)
def ntp_update(data: dict[str, Any], context: Context) -> Outcome:
    """Replace the servers that jobqueue set for chrony."""
    _require_chrony()
    if not _servers(own_text(_FOLDER / _FILE)):
        raise OperationFailed("jobqueue has set no time servers on this host; node.ntp.create does.")
    return _set(data["servers"], data, context)


@operation("node.ntp.delete", schema=ChangeSchema, changes=True, idempotent=True, permission=_WRITE)
def ntp_delete(data: dict[str, Any], context: Context) -> Outcome:
    """Remove the servers that jobqueue set for chrony; nothing happens if there are none."""
    return _set([], data, context)


def _set(servers: list[str], data: dict[str, Any], context: Context) -> Outcome:
    _require_chrony()
    if not _FOLDER.is_dir():
        raise OperationNotSupported(f"chrony has no {_FOLDER} on this host, where jobqueue could add servers.")
    own_text(_FOLDER / _FILE)  # raises for the file of another program
    text = MARK + "".join(f"server {server} iburst\n" for server in servers) if servers else None
    change = change_text(_FOLDER / _FILE, text, data, context)
    # an earlier attempt may have been lost after it wrote the file
    if not data["check"] and (change.changed or context.attempt > 1):
        change = _reloaded(change, context)
    return change_outcome(change, data, {"servers": servers})


def _reloaded(change: Change, context: Context) -> Change:
    """The change, with a note if chronyd did not reload its sources: it also reads the file when it starts."""
    try:
        run_tool([_TOOL, "reload", "sources"], context)
    except OperationFailed as error:
        note = f"The file is in place and takes effect when chronyd starts; it was not reloaded: {error.message}"
        return Change(change.changed, change.diff, note)
    return change


def _require_chrony() -> None:
    if shutil.which(_TOOL) is None:
        raise OperationNotSupported(f"This host has no {_TOOL}: jobqueue sets time servers for chrony only.")


def _rows(table: str, context: Context) -> list[list[str]]:
    return list(csv.reader(run_tool([_TOOL, "-c", "-n", table], context).splitlines()))


def _managed() -> list[str]:
    """The servers that jobqueue set; none if the file is another program's."""
    text = read_text(_FOLDER / _FILE)
    return _servers(text) if is_own(text) else []


def _servers(text: str | None) -> list[str]:
    words = (line.split() for line in (text or "").splitlines())
    return [line[1] for line in words if len(line) > 1 and line[0] == "server"]
