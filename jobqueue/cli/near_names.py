"""Names of records that a caller may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from jobqueue.cli.candidates import NAMES
from jobqueue.cli.nearest import did_you_mean
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client, InvalidRequest, NotFound
from jobqueue.errors import JobQueueError

#: What an invalid request says that names a record that there is not.
_UNKNOWN = re.compile(r"\b(?:no|unknown)\b", re.IGNORECASE)


def question(error: JobQueueError, context: click.Context, client: Client) -> str:
    """The question for an error about a record that a command names; it lists what the caller may see.

    Empty for other errors, and where no name is near.
    """
    if not isinstance(error, NotFound | InvalidRequest) or "did you mean" in error.message.lower():
        return ""
    if isinstance(error, InvalidRequest) and not _UNKNOWN.search(error.message):
        return ""
    for names_of, word in _words(context):
        if repr(word.removeprefix("@")) not in error.message:
            continue
        try:
            names = [name for name, _ in NAMES[names_of](client)]
        except JobQueueError:
            return ""
        return did_you_mean(word, map(one_line, names)) if word not in names else ""
    return ""


def _words(context: click.Context) -> Iterator[tuple[object, str]]:
    """The words of a command line that name records, each with the completer of its parameter."""
    for command in [context, *([context.parent] if context.parent else [])]:  # one may run another one
        for parameter in command.command.params:
            completer = getattr(parameter, "_custom_shell_complete", None)
            if completer not in NAMES:
                continue
            value = command.params.get(parameter.name or "")
            for word in [value] if isinstance(value, str) else value or ():
                yield completer, str(word)
