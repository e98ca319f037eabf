"""Files of netplan that jobqueue owns: one for each interface and purpose, tested before they are put in place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.change import Change, ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.host_file import MARK, change_text, own_text, read_text
from jobqueue.operations.schema import Flag, Text, shape
from jobqueue.operations.tool import apply_restored, run_tool

_TOOL = "netplan"
_APPLY = (_TOOL, "apply")
_FOLDER = Path("/etc/netplan")
#: netplan complains about files that others may read.
_MODE = "0600"


def interface_name() -> Text:
    """A field for the name of an interface: not a path, not an option."""
    return Text(
        required=True,
        **shape(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "Must be the name of an interface, such as eth0 or enp3s0."),
    )


class NetworkChangeSchema(ChangeSchema):
    """A change that may cut the host off."""

    force = Flag(
        load_default=False,
        metadata={"description": "Change the network even if the agent may no longer reach Redis."},
    )


def require_netplan() -> None:
    """Raise ``OperationNotSupported`` on a host whose network netplan does not configure."""
    if shutil.which(_TOOL) is None or not _FOLDER.is_dir():
        raise OperationNotSupported("This host has no netplan: jobqueue changes networks by netplan only.")


def managed(purpose: str, interface: str) -> dict[str, Any] | None:
    """The settings of an interface that jobqueue wrote for this purpose; None without any."""
    path = _path(purpose, interface)
    text = own_text(path)
    if text is None:
        return None
    try:
        settings = json.loads(text.removeprefix(MARK))["network"]["ethernets"][interface]
    except (ValueError, KeyError, TypeError) as error:
        raise OperationFailed(f"{path} was changed by hand and cannot be read; delete it to start over.") from error
    if not isinstance(settings, dict):
        raise OperationFailed(f"{path} was changed by hand and cannot be read; delete it to start over.")
    return settings


def change(
    purpose: str, interface: str, settings: Mapping[str, Any] | None, data: Mapping[str, Any], context: Context
) -> Change:
    """Give an interface these settings (None: none of jobqueue's) and apply them, unless ``data`` asks for a check.

    The whole configuration is tested first, also in a check: what netplan refuses is not put in place.
    """
    path, before = _path(purpose, interface), managed(purpose, interface)
    if before == (None if settings is None else dict(settings)):
        if context.attempt > 1 and not data["check"]:
            # an earlier attempt may have been lost after it wrote the file
            run_tool(_APPLY, context)
        return Change(False)
    text = None if settings is None else _text(interface, settings)
    old = read_text(path)
    _test(path.name, text, context)
    file_change = change_text(path, text, data, context, _MODE)
    if not data["check"]:
        try:
            run_tool(_APPLY, context)
        except BaseException:  # a cancelled run is taken back as well: the next one would find nothing to apply
            change_text(path, old, data, context, _MODE)
            apply_restored(_APPLY, context)
            raise
    return file_change


def _path(purpose: str, interface: str) -> Path:
    return _FOLDER / f"90-jobqueue-{purpose}-{interface}.yaml"


def _text(interface: str, settings: Mapping[str, Any]) -> str:
    # JSON is YAML, too
    document = {"network": {"version": 2, "ethernets": {interface: settings}}}
    return f"{MARK}{json.dumps(document, indent=2)}\n"


def _test(name: str, text: str | None, context: Context) -> None:
    """Have netplan read a copy of its files with this one. Raises ``OperationFailed`` with its words."""
    with tempfile.TemporaryDirectory(prefix="jobqueue-netplan-") as root:
        copy = Path(root) / "etc/netplan"
        copy.mkdir(parents=True)
        for path in _FOLDER.glob("*.yaml"):
            if path.name != name:
                _put(copy / path.name, read_text(path) or "")
        if text is not None:
            _put(copy / name, text)
        run_tool([_TOOL, "generate", "--root-dir", root], context)


def _put(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
