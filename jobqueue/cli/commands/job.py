"""``jobqueue job``: submit jobs, inspect them, wait for them, cancel them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from jobqueue.cli.candidates import hostnames_like, operations_like, statuses_like, targets_like
from jobqueue.cli.commands.answer_diff import diff
from jobqueue.cli.commands.job_control import abort, approve, cancel, delete, pause, resume
from jobqueue.cli.commands.job_submission import rerun, retry, submit
from jobqueue.cli.commands.plan_apply import apply
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.finishing import finish
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.log_selection import LogSelection, read_logs
from jobqueue.cli.parameters import (
    duration,
    full_option,
    job_id_argument,
    json_option,
    oneline_option,
    pair,
    past,
    states,
    statuses,
)
from jobqueue.cli.sorting import JOBS, ordered, sort_option
from jobqueue.cli.views.answers import answers
from jobqueue.cli.views.execution_view import merged, show_executions, show_groups
from jobqueue.cli.views.host_output import show_grouped_logs, show_prefixed_logs
from jobqueue.cli.views.job_output import show_logs
from jobqueue.cli.views.job_view import show_job, show_list
from jobqueue.cli.views.missing_cells import complain_of_missing_cells
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.process_answers import show_oneline
from jobqueue.model.execution_page import MAX_LIMIT as MAX_EXECUTIONS
from jobqueue.model.filter import DEFAULT_LIMIT, MAX_LIMIT
from jobqueue.model.states import ExecutionState, JobStatus


@click.group(cls=ClientGroup, old_names={"get": "show"})
def job() -> None:
    """Submit jobs, inspect them, wait for them, cancel them.

    ID is a job's id, at least four characters that it begins with, or its alias.
    """


for _command in (submit, retry, rerun, cancel, pause, resume, approve, abort, delete, diff, apply):
    job.add_command(_command)


@job.command("list")
@click.option(
    "--status",
    type=statuses,
    metavar="STATUS[,STATUS...]",
    shell_complete=statuses_like,
    help=f"One of {', '.join(JobStatus)}, or several separated by commas.",
)
@click.option(
    "--operation", metavar="TYPE", shell_complete=operations_like, help="Jobs of this operation, or with such a step."
)
@click.option("--target", shell_complete=targets_like, help="Jobs submitted to this target.")
@click.option("--hostname", shell_complete=hostnames_like, help="Jobs with an execution on this agent.")
@click.option("--tag", type=pair, metavar="KEY=VALUE", help="Jobs with this tag.")
@click.option("--saved", metavar="NAME", help="Jobs that were made from this saved job.")
@click.option("--by", "submitted_by", metavar="NAME", help="Jobs that this user or key submitted.")
@click.option(
    "--q", metavar="TEXT", help="Jobs with this text in title, operation, target, host, tag, submitter or error."
)
@click.option("--error", metavar="TEXT", help="Jobs with this text in the error.")
@click.option("--created-after", type=past, metavar="TIME", help="A UTC time, or how long ago: 1h.")
@click.option("--created-before", type=past, metavar="TIME", help="A UTC time, or how long ago: 1h.")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=DEFAULT_LIMIT, show_default=True)
@click.option("--offset", type=click.IntRange(min=0), help="Number of jobs to skip.")
@click.option("--cursor", help="The next_cursor of the previous page.")
@click.option("--all", "everything", is_flag=True, help="All matching jobs instead of one page.")
@click.option("--view", type=click.Choice(["full", "summary"]), help="With --json: how much detail of each job.")
@sort_option(JOBS, "newest first")
@full_option
@json_option
def list_jobs(  # noqa: PLR0913 - one for each option
    *,
    tag: tuple[str, str] | None,
    limit: int,
    offset: int | None,
    cursor: str | None,
    everything: bool,
    view: str | None,
    sort: str | None,
    full: bool,
    as_json: bool,
    **query: Any,
) -> None:
    """List jobs, newest first."""
    if everything and (offset is not None or cursor is not None):
        raise click.UsageError("--all shows all jobs; it takes neither --offset nor --cursor.")
    query["tag"] = ":".join(tag) if tag else None
    query["view"] = view if as_json else "summary"
    with connect() as client:
        if everything:
            page, *more = client.iter_pages(**query)
            page["items"] += [item for part in more for item in part["items"]]
            page["next_cursor"] = None
        else:
            page = client.jobs(limit=limit, offset=offset, cursor=cursor, **query)
    page["items"] = ordered(page["items"], JOBS, sort)
    if as_json:
        screen().json(page)
    else:
        show_list(screen(full=full), page)
    complain_of_missing_cells(page)
    if sort and page.get("next_cursor"):
        complain(f"Only these {len(page['items'])} jobs are sorted, the newest; --all sorts all.")


@job.command()
@job_id_argument
@click.option("--executions", is_flag=True, help="Show all executions instead, by hostname.")
@click.option("--group", is_flag=True, help="Show all executions instead, equal answers together.")
@click.option(
    "--state",
    type=states,
    metavar="STATE[,STATE...]",
    help=f"Only executions in one of these states: {', '.join(ExecutionState)}.",
)
@oneline_option
@full_option
@json_option
def show(
    *, job_id: str, executions: bool, group: bool, state: str | None, oneline: bool, full: bool, as_json: bool
) -> None:
    """Show a job: its agents (failures first), its timeline, the answers.

    Of a job on more than 1,000 agents, it shows the first 1,000; --executions and --group show all.
    """
    if executions and group:
        raise click.UsageError("--executions and --group cannot be combined; give one of them.")
    with connect() as client:
        job_id = job_id_of(client, job_id)
        if group:
            job = merged(client.iter_execution_pages(job_id, state=state, group="answer"))
        elif executions or state:
            job, *more = client.iter_execution_pages(job_id, state=state, limit=MAX_EXECUTIONS)
            job["items"] += [item for page in more for item in page["items"]]
            job["next_cursor"] = None
        else:
            job = client.job(job_id)
    complain_of_missing_cells(job)
    if as_json:
        screen().json(job)
    elif "groups" in job:
        show_groups(screen(full=full), job)
    elif "items" in job:
        show_executions(screen(full=full), job["items"])
    elif oneline:
        show_oneline(screen(full=full), answers(job))
    else:
        show_job(screen(full=full), job)


@job.command("watch")
@job_id_argument
@click.option("--timeout", type=duration, metavar="DURATION", help="Stop watching after this time; the job continues.")
@oneline_option
@full_option
@json_option
@click.pass_context
def watch_job(
    context: click.Context, job_id: str, timeout: float | None, oneline: bool, full: bool, as_json: bool
) -> None:
    """Follow a job to its end and print the answers. Ctrl-C stops the watching, not the job.

    Exit code: 0 completed or skipped, 1 the job failed or was cancelled, 2 any other error.
    """
    with connect() as client:
        job_id = job_id_of(client, job_id)
        finish(context, client, job_id, timeout, full=full, as_json=as_json, oneline=oneline)


@job.command()
@job_id_argument
@click.option(
    "--host",
    "--hostname",
    "hosts",
    multiple=True,
    shell_complete=hostnames_like,
    help="Only this host's output; may be repeated. Default: all hosts.",
)
@click.option("--failed", is_flag=True, help="Only hosts that failed.")
@click.option("--group", is_flag=True, help="Print equal outputs once, under the names of their hosts.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Of one host: start at this byte of its output.")
@click.option("-f", "--follow", is_flag=True, help="Follow the output until the job has ended; at most 50 hosts.")
@json_option
def logs(
    job_id: str, hosts: Sequence[str], failed: bool, group: bool, offset: int, follow: bool, as_json: bool
) -> None:
    """Print a job's output; -f follows it.

    The lines of a job on several hosts are printed after the names of their hosts: web1 | text. With --json, one page
    of the API's JSON per line.
    """
    if follow and (failed or group or len(hosts) > 1):
        raise click.UsageError("-f follows one host or all; it takes neither --failed nor --group nor several --host.")
    if offset and len(hosts) != 1:
        raise click.UsageError("--offset counts the bytes of one host's output; name the host with --host.")
    selection = LogSelection(tuple(dict.fromkeys(hosts)), failed, follow, offset)
    with connect() as client:
        job_id = job_id_of(client, job_id)
        pages, has_several = read_logs(client, job_id, selection)
        if as_json:
            for page in pages:
                click.echo(json.dumps(page))
        elif group:
            show_grouped_logs(screen(), pages)
        elif has_several:
            show_prefixed_logs(pages)
        else:
            show_logs(pages)
