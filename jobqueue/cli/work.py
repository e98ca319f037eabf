"""The work of ``jobqueue run``: the operation, its data, and the target, from words and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobqueue.cli.parameters import local_text
from jobqueue.cli.steps_file import steps_data
from jobqueue.cli.submission import add_arguments, operation_data, unknown_operation
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.model.target import ALL, ANY

if TYPE_CHECKING:
    from jobqueue.cli.job_options import JobOptions

SHELL = "command.shell.execute"
#: The operation that runs the steps of a file.
STEPS = "steps.run"
_SHELL_SCRIPT = "script.shell.execute"
_PYTHON_SCRIPT = "script.python.execute"
_OPERATION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)+")
#: Hostnames, ranges and wildcards of them, and lists of these.
_HOSTNAMES = re.compile(r"[A-Za-z0-9._*?,\[\]-]+")
#: A single word with this many dots is rather a misspelt operation than a program.
_DOTS_OF_AN_OPERATION = 2


@dataclass(frozen=True)
class Work:
    """The operation to submit. ``changes``: it may change hosts; ``label`` names it in messages."""

    operation: str
    data: dict[str, Any]
    changes: bool
    label: str


def work_of(client: Client, words: Sequence[str], job: JobOptions) -> Work:
    """The work that the words mean: a script's arguments, an operation with its words, or a shell command line.

    Raises ``UsageError`` if they mean nothing, or a value is given twice.
    """
    data = operation_data(None, job.pairs)
    if job.steps_file is not None:
        if words or job.script is not None:
            raise click.UsageError("--steps gives the whole work: leave out words and --script.")
        return Work(STEPS, steps_data(job.steps_file, data), changes=True, label="A job with steps")
    if job.script is not None:
        return _script(job.script, words, data)
    if not words:
        raise click.UsageError("Give a shell command, an operation, --script FILE or --steps FILE.")
    if not job.as_shell and _OPERATION.fullmatch(words[0]):
        catalogue = client.operations()["operations"]
        by_type = {str(operation["type"]): operation for operation in catalogue}
        if words[0] in by_type:
            if words[1:]:
                add_arguments(data, words[1:], words[0], catalogue)
            return Work(words[0], data, bool(by_type[words[0]].get("changes")), f"The operation {words[0]}")
        _refuse_misspelt(words, by_type)
    if "command" in data:
        raise click.UsageError("The command is given twice: as words, and with -d command.")
    data["command"] = words[0] if len(words) == 1 else shlex.join(words)
    return Work(SHELL, data, changes=True, label="A shell command")


def target_of(targets: Sequence[str], work: Work) -> str:
    """The target: several ``--on`` add up. Raises ``UsageError`` without one, if the work may change hosts."""
    if not targets:
        if work.changes:
            raise click.UsageError(
                f"{work.label} may change hosts, so say where it runs: --on HOST, --on group:web, --on {ANY} (one "
                "agent, whichever is free) or --on _all."
            )
        return ANY
    if len(targets) > 1 and ANY in targets:
        raise click.UsageError(f"--on {ANY} means one agent, whichever is free; it cannot be combined with others.")
    different = list(dict.fromkeys(targets))
    if len(different) == 1:
        return different[0]
    if ALL not in different and all(map(_HOSTNAMES.fullmatch, different)):
        return ",".join(different)
    return " or ".join(f"({target})" for target in different)


def _script(name: str, words: Sequence[str], data: dict[str, Any]) -> Work:
    for field, is_given in (("script", True), ("args", bool(words))):
        if is_given and field in data:
            raise click.UsageError(f"The script's {field} is given twice: on the command line, and with -d {field}.")
    data["script"] = local_text(name)
    if not data["script"].strip():
        raise click.UsageError(f"The script {one_line(name)} is empty.")
    if words:
        data["args"] = list(words)
    operation = _PYTHON_SCRIPT if Path(name).suffix == ".py" else _SHELL_SCRIPT
    return Work(operation, data, changes=True, label="A script")


def _refuse_misspelt(words: Sequence[str], by_type: Mapping[str, Any]) -> None:
    """Raise ``UsageError`` for a word that looks like an operation and is not one."""
    if words[0].count(".") < _DOTS_OF_AN_OPERATION:
        return
    raise click.UsageError(f"{unknown_operation(words[0], by_type)} If it is a shell command, add --shell.")
