"""``jobqueue job apply``: run what a job has checked, on hosts that still need the change."""

from __future__ import annotations

from typing import Any

import click

from jobqueue.cli.connection import connect
from jobqueue.cli.fleet_plan import confirm
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.parameters import job_id_argument, json_option
from jobqueue.cli.rollout import rollout_options, take_rollout
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.text import one_line


@click.command("apply")
@job_id_argument
@click.option(
    "--plan",
    metavar="HASH",
    help="The hash of the plan, as the check printed it, or its first 12 characters; without it, the command asks.",
)
@rollout_options
@json_option
def apply(job_id: str, plan: str | None, as_json: bool, **options: Any) -> None:
    """Apply the plan of a job that ran with --check, and print the new job's id.

    \b
    jobqueue run node.user.create --on group:web -d name=deploy --check --diff
    jobqueue job apply 6f1c2f8e --plan 3f2a9c0d41b7 --batch 25%

    The new job has the operation, data and target of the check. A host that no longer needs exactly the change that
    was checked on it refuses: its execution fails, and nothing is changed on it.
    """
    rollout = take_rollout(options)
    with connect() as client:
        fleet_plan = client.fleet_plan(job_id_of(client, job_id))
        if plan is None:
            confirm(fleet_plan)
        else:
            fleet_plan.require(plan)
        accepted = client.submit(fleet_plan.operation, fleet_plan.applying, fleet_plan.target, rollout=rollout)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)
