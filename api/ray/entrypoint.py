"""What a job runs, as one line for a person."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from api.ray.status import ENTRYPOINT
from jobqueue.model.job import Job

#: Longer ones are cut; those of Ray's own jobs are shown as they were given.
_LONGEST = 300


def text(job: Job) -> str:
    """The command of a command, else the operation and its data."""
    if job.operation == ENTRYPOINT:
        return str(job.data.get("entrypoint", ""))
    tell = _KNOWN.get(job.operation)
    found = tell(job.data) if tell else None
    line = " ".join((found or _any(job)).split("\n"))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _any(job: Job) -> str:
    if not job.data:
        return job.operation
    return f"{job.operation} {json.dumps(job.data, ensure_ascii=False)}"


def _argv(data: Mapping[str, Any]) -> str | None:
    argv = data.get("argv")
    return shlex.join(map(str, argv)) if isinstance(argv, list) else None


def _command(data: Mapping[str, Any]) -> str | None:
    command = data.get("command")
    return command if isinstance(command, str) else None


_KNOWN: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "command.exec.execute": _argv,
    "command.shell.execute": _command,
}
