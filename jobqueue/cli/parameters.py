"""Kinds of values on the command line. Each function is a click ``type``: text in, value out, or ``BadParameter``."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.candidates import job_ids_like
from jobqueue.cli.views.times import parse_moment
from jobqueue.model.durations import parse_duration
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.plain_text import decoded, reason_of

#: key, then the first of ":=", "=" and ":", then the value.
_PAIR = re.compile(r"([^=:]+)(:=|=|:)(.*)", re.DOTALL)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
#: For commands that do not call the API.
local_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
oneline_option = click.option("--oneline", is_flag=True, help="One line per host: host | exit code | first line.")
job_id_argument = click.argument("job_id", metavar="ID", shell_complete=job_ids_like)
job_ids_argument = click.argument("job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=job_ids_like)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
full_option = click.option("--full", is_flag=True, help="Do not shorten the output, even for many agents.")


def duration(text: str) -> float:
    """Seconds, from ``90``, ``500ms``, ``5m``, ``1h30m``."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def future(text: str) -> str:
    """ISO 8601 in UTC, from a time or from a duration after now."""
    return _moment(text, past=False)


def past(text: str) -> str:
    """ISO 8601 in UTC, from a time or from a duration before now."""
    return _moment(text, past=True)


def pair(text: str) -> tuple[str, str]:
    """``key=value`` or ``key:value`` as ``(key, value)``; the first of the two signs counts."""
    match = _PAIR.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is neither key=value nor key:value.")
    return match[1], match[3]


def data_pair(text: str) -> tuple[str, Any]:
    """``key=text`` or ``key:text`` as ``(key, "text")``, ``key=@file`` with the file's text, ``key:=json`` as JSON.

    ``@fact.x`` refers to a fact of the agent, and ``@@`` is left to it as well: neither is a file.
    """
    match = _PAIR.fullmatch(text)
    if match is None or (match[2] == ":=" and not match[1]):
        raise click.BadParameter(f"{text!r} is neither key=text, key:text, key=@file nor key:=json.")
    key, sign, value = match.groups()
    is_file = value.startswith("@") and not value.startswith(("@fact.", "@@"))
    if sign != ":=":
        return key, local_text(value[1:]) if is_file else value
    try:
        return key, json.loads(local_text(value[1:]) if is_file else value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{value[:80]!r} is not valid JSON ({error}); use key=text for plain text.") from error


def json_object(text: str) -> dict[str, Any]:
    """A JSON object: written out, or from a file as ``@name`` (``@-`` is standard input)."""
    if text.startswith("@"):
        text = local_text(text[1:])
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"Not valid JSON: {error}. Use @FILE to read a file.") from error
    if not isinstance(value, dict):
        raise click.BadParameter('An operation\'s data is a JSON object such as {"key": "value"}.')
    return value


def statuses(text: str) -> str:
    """Statuses of jobs with commas between."""
    return _several(text, [status.value for status in JobStatus])


def states(text: str) -> str:
    """States of executions with commas between."""
    return _several(text, [state.value for state in ExecutionState])


def _several(text: str, allowed: list[str]) -> str:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in allowed:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(allowed)}.")
    return ",".join(names)


def _moment(text: str, *, past: bool) -> str:
    try:
        return parse_moment(text, datetime.now(timezone.utc), past=past)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def local_text(name: str) -> str:
    """The text of a local file; ``-`` reads standard input. Raises ``BadParameter`` that says why it cannot be read."""
    try:
        return decoded(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except IsADirectoryError as error:
        raise click.BadParameter(f"{name!r} is a directory, not a file.") from error
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a name with a NUL byte
        raise click.BadParameter(f"{name!r} cannot be read: {reason_of(error)}.") from error


class TextFile(click.Path):
    """A parameter whose value is the text of a local file, or of standard input for ``-``."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; fails with the reason why it cannot be read."""
        return local_text(str(super().convert(value, param, ctx)))


#: Defined after the type that it needs.
data_option = click.option(
    "-d",
    "pairs",
    type=data_pair,
    metavar="KEY=VALUE",
    multiple=True,
    help="A field of the operation's data: key=text, key:text, key=@file, key:=JSON.",
)
