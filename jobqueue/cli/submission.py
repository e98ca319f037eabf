"""What ``job submit`` sends: an operation's data from options, and the words after ``--``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

#: Operations that take the words after ``--``: type -> (field of the data, what it becomes).
_ARGUMENT_FIELDS: Mapping[str, tuple[str, bool]] = {
    "command.exec.execute": ("argv", False),
    "command.shell.execute": ("command", True),
}


def different_tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The tags, each given once; else ``UsageError``."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise click.UsageError(f"--tag {key} is given twice; a job has one value for each.")
        tags[key] = value
    return tags


def operation_data(
    operation: str, data: Mapping[str, Any] | None, pairs: Sequence[tuple[str, Any]], arguments: Sequence[str]
) -> dict[str, Any]:
    """The operation's data: ``--data``, each ``-d`` over it, and the arguments. ``UsageError`` if they contradict."""
    merged = dict(data or {})
    seen = set()
    for key, value in pairs:
        if key in seen:
            raise click.UsageError(f"-d {key} is given twice.")
        seen.add(key)
        merged[key] = value
    if arguments:
        if operation not in _ARGUMENT_FIELDS:
            raise click.UsageError(
                f"Only {' and '.join(_ARGUMENT_FIELDS)} take arguments; give data with -d key=value or --data."
            )
        name, joined = _ARGUMENT_FIELDS[operation]
        if name in merged:
            raise click.UsageError(f"The command is given twice: as {name!r} in the data, and as arguments.")
        merged[name] = _shell_line(arguments) if joined else list(arguments)
    return merged


def _shell_line(arguments: Sequence[str]) -> str:
    """One word is a line for the shell as it was typed; several are words, and stay those when the shell reads them."""
    return arguments[0] if len(arguments) == 1 else shlex.join(arguments)
