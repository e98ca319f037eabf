"""``jobqueue failing``: what failed lately, and where."""

from __future__ import annotations

import click

from jobqueue.cli.connection import ClientCommand, connect
from jobqueue.cli.parameters import duration, full_option, json_option
from jobqueue.cli.views.failures_view import show_failures
from jobqueue.cli.views.output import screen

_LONGEST = 7 * 86_400


@click.command(cls=ClientCommand)
@click.option(
    "--within",
    type=duration,
    default="1h",
    show_default=True,
    help="Only jobs that ended within this time, at most 7d.",
)
@full_option
@json_option
def failing(within: float, full: bool, as_json: bool) -> None:
    """List recent failures, grouped by operation, title and error, the largest groups first."""
    if not 1 <= within <= _LONGEST:
        raise click.BadParameter("must be from 1s to 7d.", param_hint="--within")
    with connect() as client:
        failures = client.failures(int(within))
    if as_json:
        screen().json(failures)
    else:
        show_failures(screen(full=full), failures)
