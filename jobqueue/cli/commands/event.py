"""``jobqueue event``: what happens to jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import job_ids_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.output import Screen, complain, screen
from jobqueue.cli.views.text import one_line
from jobqueue.client import NotFound
from jobqueue.errors import JobQueueError
from jobqueue.model.states import ExecutionState

_STEPS = (*(state.value for state in ExecutionState), "retried")


@click.group(cls=ClientGroup)
def event() -> None:
    """Follow the events of jobs."""


@event.command()
@click.option(
    "--job", "job_id", metavar="ID", shell_complete=job_ids_like, help="Only this job's events, until it ends."
)
@click.option(
    "--event", "steps", type=click.Choice(_STEPS), multiple=True, help="Only events of this type; may be repeated."
)
@click.option("--after", metavar="ID", default="", help="Resume after the event with this id (--json shows the ids).")
@json_option
def follow(job_id: str | None, steps: Sequence[str], after: str, as_json: bool) -> None:
    """Print the events of jobs as they happen, until Ctrl-C.

    With --json, one object per line.
    """
    out = screen(full=True)
    with connect() as client:
        if job_id is not None:
            job_id = job_id_of(client, job_id)
            client.job(job_id)  # raises if the job is missing rather than the stream
        try:
            for event in client.follow_events(job_id, after):
                if event["kind"] == "job" and steps and event.get("event") not in steps:
                    continue
                if as_json:
                    click.echo(json.dumps(event))
                else:
                    _show(out, event)
        except NotFound as error:
            raise JobQueueError("This server has no event stream; it is older than this command line.") from error


def _show(out: Screen, event: Mapping[str, Any]) -> None:
    if event["kind"] == "reset":
        complain(one_line(event["reason"]) if event.get("cell") else "Some events in between may be missing.")
    elif event["kind"] == "waiting":
        complain(one_line(event.get("reason")))
    elif event["kind"] == "resumed":
        click.echo(f"Cell {one_line(event.get('cell'))} sends events again; none is missing.", err=True)
    elif event["kind"] == "end":
        out.line(f"Job {one_line(event.get('job_id'))} is {one_line(event.get('status'))}.", str(event.get("status")))
    else:
        text = f"  {one_line(event['error'])}" if event.get("error") else ""
        source = f"{event['count']} agents" if event.get("count") else one_line(event.get("hostname"))
        source += f" ({one_line(event['cell'])})" if event.get("cell") else ""
        out.line(
            f"{one_line(event.get('timestamp'))}  {one_line(event.get('job_id'))}  {one_line(event.get('event')):<12}  "
            f"{source}{text}",
            str(event.get("event")),
        )
