"""Ctrl-C while a job runs: it can be left running, or cancelled."""

from __future__ import annotations

import sys

import click

from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import Conflict


def settle_interrupted(client: Client, job_id: str) -> None:
    """Ask on a terminal whether to cancel the job; elsewhere, or without an answer, leave it running and say so."""
    shown = one_line(job_id)
    if sys.stdin.isatty() and sys.stderr.isatty() and _is_cancel_chosen(shown):
        try:
            client.cancel(job_id)
        except Conflict:
            click.echo(f"Job {shown} had already ended.", err=True)
        else:
            click.echo(f"Job {shown}: cancel requested.", err=True)
        return
    click.echo(
        f"Job {shown} continues. See it: jobqueue job watch {shown}   Cancel it: jobqueue job cancel {shown}", err=True
    )


def _is_cancel_chosen(shown: str) -> bool:
    click.echo(f"\nJob {shown} is still running.", err=True)
    try:
        answer: str = click.prompt(
            "Leave it running (l), or cancel it (c)?", type=click.Choice(["l", "c"]), default="l", err=True
        )
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return False
    return answer == "c"
