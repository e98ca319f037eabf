"""The same for several jobs or agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from jobqueue.cli.connection import EXIT_ERROR, connect, sentence
from jobqueue.cli.views.output import complain, screen
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
                complain(f"{name}: {sentence(error)}" if len(names) > 1 else sentence(error))
                refused = True
                continue
            if as_json:
                screen().json(answer)
            else:
                screen().line(describe(answer))
    if refused:
        click.get_current_context().exit(EXIT_ERROR)
