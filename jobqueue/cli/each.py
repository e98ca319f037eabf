"""One action on each of several jobs, agents or records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from jobqueue.cli.connection import EXIT_ERROR, connect, names_meant, sentence
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.output import complain
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import JobQueueError


def for_each(
    names: Sequence[str],
    act: Callable[[Client, str], dict[str, Any]],
    describe: Callable[[dict[str, Any]], str],
    *,
    as_json: bool = False,
) -> None:
    """Act on every name and print its answer: described in a line, or as JSON.

    One that is refused does not stop the others; each refusal is a line on standard error, and the exit code is 2.
    """
    refused = False
    with connect() as client:
        for name in names:
            try:
                answer = act(client, name)
            except JobQueueError as error:
                text = sentence(error) + names_meant(error)
                complain(f"{name}: {text}" if len(names) > 1 else text)
                refused = True
                continue
            show_line(answer, describe(answer), as_json=as_json)
    if refused:
        click.get_current_context().exit(EXIT_ERROR)


def name_each(names: Sequence[str], act: Callable[[Client, str], object], outcome: str) -> None:
    """Act on every name, where the API has no answer, and print the name with the ``outcome``; else as ``for_each``."""

    def named(client: Client, name: str) -> dict[str, Any]:
        act(client, name)
        return {"name": name}

    for_each(names, named, lambda done: f"{one_line(done['name'])}  {outcome}")
