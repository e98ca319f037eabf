"""The fleet plan behind ``jobqueue run --check``: how it is shown, and the command that applies it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from jobqueue.cli.views.answers import answers
from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import InvalidInput
from jobqueue.model.fleet_plan import LEAST_APPROVED, FleetPlan, fleet_plan


def announce(client: Client, job: Mapping[str, Any]) -> None:
    """Say on standard error how to apply what a job has checked; nothing if it would change no host."""
    try:
        plan = fleet_plan(job, _executions(client, job))
    except InvalidInput:  # no host has completed the check, or too many need changes of their own
        return
    if plan.changing:
        click.echo(f"{describe(plan)} To apply it: jobqueue job apply {plan.job_id} --plan {plan.hash}", err=True)


def describe(plan: FleetPlan) -> str:
    """A plan in a sentence or two."""
    count = len(plan.digests)
    text = f"Plan {plan.hash[:LEAST_APPROVED]}: {plan.changing} of {_hosts(count)} would change."
    if plan.unplanned:
        text += f" Not a part of it: {one_line(fold(plan.unplanned))}."
    return text


def confirm(plan: FleetPlan) -> None:
    """Ask whether the plan is to be applied. Without a terminal to ask on, raises ``UsageError``."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{describe(plan)} Approve it by its hash: --plan {plan.hash}")
    click.confirm(f"{describe(plan)} Apply it?", abort=True, err=True)


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _executions(client: Client, job: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """All executions of a job; without a request if the job has brought them along."""
    if job.get("executions_left_out"):
        return client.iter_executions(str(job["id"]))
    return [{"hostname": answer.hostname, "status": answer.status, "data": answer.data} for answer in answers(job)]
