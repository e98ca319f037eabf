"""Drains and undrains the hosts of targets."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from jobqueue.cli.candidates import hostnames_like, targets_like
from jobqueue.cli.connection import EXIT_ERROR, connect
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.output import complain
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.client.moves import DRAINED, FAILED, MAX_HOSTS, UNCHANGED, UNDRAINED, Move

_F = TypeVar("_F", bound=Callable[..., Any])
#: Hostnames that a question shows.
_SHOWN = 5


def hosts_options(command: _F) -> _F:
    """The hosts of a command: hostnames, or targets with ``--on``."""
    argument = click.argument("hostnames", metavar="[HOSTNAME]...", nargs=-1, shell_complete=hostnames_like)
    option = click.option(
        "--on",
        "targets",
        metavar="TARGET",
        multiple=True,
        shell_complete=targets_like,
        help="All hosts of this target; may be repeated.",
    )
    return argument(option(command))


def move_hosts(
    hostnames: Sequence[str],
    targets: Sequence[str],
    move: Callable[[Client, list[str]], Iterator[Move]],
    verb: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Drain or undrain (``move``) the hosts and those of the targets; a line or a JSON object for each as it is done.

    The numbers come last, on standard error. Asks before more than one host. The exit code is 2 if one failed.
    """
    counts: Counter[str] = Counter()
    with connect() as client:
        names = sorted({*hostnames, *(host for target in targets for host in client.target_hosts(target))})
        if not names:
            raise click.UsageError(f"No agent matches {' or '.join(map(one_line, targets))}.")
        if len(names) > MAX_HOSTS:
            raise click.UsageError(f"These are {len(names):,} hosts; narrow the target to {MAX_HOSTS:,} at most.")
        if len(names) > 1 and not yes:
            _confirm(verb, names)
        for moved in move(client, names):
            counts[moved.outcome] += 1
            if moved.ok or as_json:
                state = f"  {moved.outcome}" if moved.outcome == UNCHANGED else ""
                text = f"{one_line(moved.hostname)}  {one_line(moved.state)}{state}"
                show_line(asdict(moved), text, as_json=as_json)
            if not moved.ok:
                complain(f"{moved.hostname}: {moved.error}")
    done = DRAINED if verb == "Drain" else UNDRAINED
    click.echo(f"{counts[done]} {done}, {counts[UNCHANGED]} unchanged, {counts[FAILED]} failed.", err=True)
    if counts[FAILED]:
        click.get_current_context().exit(EXIT_ERROR)


def _confirm(verb: str, names: Sequence[str]) -> None:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    question = f"{verb} {len(names):,} agents ({', '.join(map(one_line, names[:_SHOWN]))}{more})"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{question}: add --yes to confirm.")
    click.confirm(f"{question}?", abort=True, err=True)
