"""Containers and images of Docker, as the program ``docker`` shows them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import ProcessResult, discard
from jobqueue.operations.tool import tool_failure

_TOOL = "docker"
_MOUNTS = Path("/proc/self/mountinfo")
_OWN_CONTAINER = re.compile(r"/containers/([0-9a-f]{64})/")
_MAX_ERROR_BYTES = 2000
_ABSENT = re.compile(r"No such (?:container|image|object)", re.IGNORECASE)
#: ``docker ps`` prints a time such as 2026-01-31 12:00:00 +0000 UTC; the name of the zone says no more.
_LISTED_TIME, _LISTED_LENGTH = "%Y-%m-%d %H:%M:%S %z", 25


def require_docker() -> None:
    """Raise ``OperationNotSupported`` on a host without Docker's program."""
    if shutil.which(_TOOL) is None:
        raise OperationNotSupported("This host has no docker.")


def docker(arguments: Sequence[str], context: Context, env_file: str = "") -> str:
    """What ``docker`` prints. ``env_file``: lines for ``--env-file /dev/stdin``. Raises ``OperationFailed``."""
    result = _call(arguments, context, env_file)
    if result.exit_code != 0:
        raise tool_failure(_TOOL, result)
    return result.stdout.text()


def inspected(kind: str, name: str, context: Context) -> Mapping[str, Any] | None:
    """A container or an image (``kind``) as the Engine describes it; None without one."""
    result = _call([kind, "inspect", "--", name], context)
    if result.exit_code != 0:
        if _ABSENT.search(result.stderr.text(_MAX_ERROR_BYTES)):
            return None
        raise tool_failure(_TOOL, result)
    try:
        (entry,) = json.loads(result.stdout.text())
        return dict(entry)
    except (ValueError, TypeError) as error:
        raise OperationFailed(f"docker returned an unexpected description of the {kind} {name}.") from error


def container(name: str, context: Context) -> Mapping[str, Any]:
    """A container as the Engine describes it. Raises ``OperationFailed`` without one."""
    entry = inspected("container", name, context)
    if entry is None:
        raise OperationFailed(f"This host has no container {name}.")
    return entry


def summary(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The few properties of a container that are shown: id, name, image, state, created."""
    return {
        "id": entry.get("Id", ""),
        "name": str(entry.get("Name", "")).removeprefix("/"),
        "image": entry.get("Config", {}).get("Image", ""),
        "state": state(entry),
        "created": entry.get("Created", ""),
    }


def state(entry: Mapping[str, Any]) -> str:
    """created, running, paused, restarting, removing, exited or dead."""
    return str(entry.get("State", {}).get("Status", ""))


def listed(context: Context) -> list[dict[str, Any]]:
    """Every container, the newest first."""
    lines = docker(["ps", "--all", "--no-trunc", "--format", "{{json .}}"], context).splitlines()
    try:
        return [_listed(json.loads(line)) for line in lines if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        raise OperationFailed("docker returned an unexpected list of containers.") from error


def protect_container(entry: Mapping[str, Any]) -> None:
    """Raise ``OperationFailed`` for the container in which this process runs."""
    try:
        own = set(_OWN_CONTAINER.findall(_MOUNTS.read_text(encoding="utf-8", errors="replace")))
    except OSError:  # no Linux
        return
    if entry.get("Id") in own:
        raise OperationFailed(
            f"The container {summary(entry)['name']} runs this agent; a job cannot stop or remove it."
        )


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    created = datetime.strptime(row["CreatedAt"][:_LISTED_LENGTH], _LISTED_TIME).astimezone(timezone.utc)
    return {
        "id": row["ID"],
        "name": row["Names"],
        "image": row["Image"],
        "state": row["State"],
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _call(arguments: Sequence[str], context: Context, env_file: str = "") -> ProcessResult:
    """Run ``docker`` to its end, whatever its exit code; its output is not shown live."""
    stdin = env_file.encode() or None
    return context.run([_TOOL, *arguments], env={"LC_ALL": "C.UTF-8"}, output=discard, stdin=stdin)
