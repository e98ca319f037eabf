"""``jobqueue top``: an overview of the whole system."""

from __future__ import annotations

import sys
import time

import click

from jobqueue.cli.connection import ClientCommand, connect, sentence
from jobqueue.cli.parameters import duration, json_option
from jobqueue.cli.views.output import TerminalScreen, console, screen
from jobqueue.cli.views.snapshot import Rates, Snapshot, look
from jobqueue.cli.views.snapshot_view import show_snapshot
from jobqueue.client import Client, ClientError, ConnectionFailed, Unavailable

_MOST_JOBS = 100


@click.command(cls=ClientCommand)
@click.option("--interval", type=duration, default="2s", show_default=True, help="Refresh interval, at least 200ms.")
@click.option(
    "--jobs", type=click.IntRange(0, _MOST_JOBS), default=10, show_default=True, help="How many jobs to show."
)
@click.option("--once", is_flag=True, help="Print once and exit (default when piped).")
@json_option
def top(interval: float, jobs: int, once: bool, as_json: bool) -> None:
    """Show jobs by status, throughput, agents and the newest jobs, refreshed every few seconds, until Ctrl-C.

    In a pipe, or with --once or --json, it prints the present state once.
    """
    with connect() as client:
        if as_json:
            screen().json(look(client, jobs).document())
        elif once or not sys.stdout.isatty():
            show_snapshot(screen(), look(client, jobs))
        else:
            _show_live(client, jobs, max(interval, 0.2))


def _show_live(client: Client, jobs: int, interval: float) -> None:
    from rich.live import Live
    from rich.text import Text

    out = console()
    rates, last = Rates(), look(client, jobs)  # an error at the beginning ends the command
    with Live(console=out, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            trouble: ClientError | None = None
            try:
                last = rates.of(look(client, jobs))
            except (ConnectionFailed, Unavailable) as error:
                trouble = error
            page = Text.from_ansi(_drawn(last, trouble, out.width, out.height), no_wrap=True, overflow="crop")
            live.update(page, refresh=True)
            time.sleep(interval)


def _drawn(snapshot: Snapshot, trouble: ClientError | None, width: int, height: int) -> str:
    """The page as text with colours, as large as the terminal."""
    from rich.console import Console

    paper = Console(
        width=width,
        height=height,
        force_terminal=True,
        markup=False,
        emoji=False,
        highlight=False,
        color_system="standard",
    )
    with paper.capture() as captured:
        out = TerminalScreen(paper)
        if trouble is not None:
            out.line(f"Out of date: {sentence(trouble)}"[:width], "failed")
        show_snapshot(out, snapshot, height=height - (trouble is not None))
    return captured.get()
