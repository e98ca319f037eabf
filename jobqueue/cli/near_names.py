"""Names of records that a caller may have meant."""

from __future__ import annotations

from collections.abc import Iterator

import click

from jobqueue.cli.candidates import NAMES
from jobqueue.cli.nearest import did_you_mean
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client, InvalidRequest, NotFound
from jobqueue.errors import JobQueueError


def question(error: JobQueueError, context: click.Context, client: Client) -> str:
    """The question for an error about a record that a command names; it lists what the caller may see.

    Empty for other errors, and where no name is near.
    """
    if not isinstance(error, NotFound | InvalidRequest) or "did you mean" in error.message.lower():
        return ""
    for names_of, word in _words(context):
        # of invalid requests, only those are about a name that mention it in this way
        if isinstance(error, InvalidRequest) and not word.startswith("@"):
            continue
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
    for parameter in context.command.params:
        completer = getattr(parameter, "_custom_shell_complete", None)
        if completer not in NAMES:
            continue
        value = context.params.get(parameter.name or "")
        for word in [value] if isinstance(value, str) else value or ():
            yield completer, str(word)
