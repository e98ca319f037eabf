"""``--context``, of the program and of each command that talks to the API. Imports nothing of the client."""

from __future__ import annotations

import click

#: Where the option's value is in click's ``meta``.
CONTEXT = "jobqueue.context"


def context_option() -> click.Option:
    """A new option."""
    return click.Option(
        ["--context"],
        metavar="NAME",
        expose_value=False,
        callback=_keep,
        help="Use this context, see 'jobqueue context'. Default: JOBQUEUE_CONTEXT, else the current one.",
    )


def _keep(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[CONTEXT] = value
