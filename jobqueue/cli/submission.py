"""The data that ``job submit`` sends: from options, and from the words after ``--``."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.nearest import did_you_mean
from jobqueue.errors import UnknownOperation


def different_tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The tags, each given once; else ``UsageError``."""
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise click.UsageError(f"--tag {key} is given twice; a job has one value for each.")
        tags[key] = value
    return tags


def operation_data(data: Mapping[str, Any] | None, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The operation's data: ``--data``, and each ``-d`` over it. ``UsageError`` for a field that is given twice."""
    merged = dict(data or {})
    seen = set()
    for key, value in pairs:
        if key in seen:
            raise click.UsageError(f"-d {key} is given twice.")
        seen.add(key)
        merged[key] = value
    return merged


def add_arguments(
    data: dict[str, Any], arguments: Sequence[str], operation: str, catalogue: Collection[Mapping[str, Any]]
) -> None:
    """Put the words after ``--`` into the field of ``data`` that the API's catalogue names for them.

    A list gets the words, a text the line that a shell reads as these words. Raises ``UsageError`` where the operation
    takes no words, or where ``data`` has the field, and ``UnknownOperation``.
    """
    types = [str(entry["type"]) for entry in catalogue]
    if operation not in types:
        raise UnknownOperation(unknown_operation(operation, types))
    takers = {str(entry["type"]): entry for entry in catalogue if entry.get("positional")}
    if operation not in takers:
        raise click.UsageError(
            f"Only {' and '.join(takers) or 'newer APIs'} take arguments; give data with -d key=value or --data."
        )
    name = str(takers[operation]["positional"])
    if name in data:
        raise click.UsageError(f"The command is given twice: as {name!r} in the data, and as arguments.")
    is_list = takers[operation]["schema"]["properties"][name].get("type") == "array"
    data[name] = list(arguments) if is_list else _shell_line(arguments)


def unknown_operation(name: str, types: Collection[str]) -> str:
    """The sentence for an operation that is not one of ``types``; it names those that are similar."""
    return f"Unknown operation {name!r}. {did_you_mean(name, types) or '`jobqueue operation list` shows all.'}"


def _shell_line(arguments: Sequence[str]) -> str:
    """One word is a line for the shell as it was typed; several are words, and stay those when the shell reads them."""
    return arguments[0] if len(arguments) == 1 else shlex.join(arguments)
