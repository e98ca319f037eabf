"""A job's command, as one line for people."""

from __future__ import annotations

import json

from api.ray.status import ENTRYPOINT
from jobqueue.model.job import Job
from jobqueue.operations.builtin import command

#: Longer ones are cut; those of Ray's own jobs are shown as they were given.
_LONGEST = 300
_COMMANDS = {known.type: known for known in (command.exec_execute, command.shell_execute)}


def text(job: Job) -> str:
    """The command of a command, else the operation and its data."""
    if job.operation == ENTRYPOINT:
        return str(job.data.get("entrypoint", ""))
    family = _COMMANDS.get(job.operation)
    command = family.command_line(job.data) if family else None
    line = " ".join((command or _any(job)).split("\n"))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _any(job: Job) -> str:
    if not job.data:
        return job.operation
    return f"{job.operation} {json.dumps(job.data, ensure_ascii=False)}"
