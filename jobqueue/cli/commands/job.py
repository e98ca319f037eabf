"""``jobqueue job``: submit jobs, inspect them, wait for them, cancel them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from jobqueue.cli.again import confirm_again
from jobqueue.cli.candidates import hostnames_like, job_ids_like, operations_like, statuses_like, targets_like
from jobqueue.cli.commands.answer_diff import diff
from jobqueue.cli.commands.plan_apply import apply
from jobqueue.cli.concurrency import concurrency_options, take_concurrency
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import for_each
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.log_selection import LogSelection, read_logs
from jobqueue.cli.parameters import (
    data_option,
    data_pair,
    duration,
    full_option,
    future,
    json_object,
    json_option,
    oneline_option,
    pair,
    past,
    states,
    statuses,
    yes_option,
)
from jobqueue.cli.rerun import request_of, submit_request
from jobqueue.cli.rollout import rollout_options, take_rollout
from jobqueue.cli.sorting import JOBS, ordered, sort_option
from jobqueue.cli.submission import add_arguments, different_tags, operation_data
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.answers import answers, show_answers
from jobqueue.cli.views.execution_view import merged, show_executions, show_groups
from jobqueue.cli.views.host_output import show_grouped_logs, show_prefixed_logs
from jobqueue.cli.views.job_output import show_logs
from jobqueue.cli.views.job_view import show_job, show_list
from jobqueue.cli.views.missing_cells import complain_of_missing_cells
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.plan_view import show_plan
from jobqueue.cli.views.process_answers import show_oneline
from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.watch import watch
from jobqueue.client import Client, WaitTimeout
from jobqueue.model.execution_page import MAX_LIMIT as MAX_EXECUTIONS
from jobqueue.model.filter import DEFAULT_LIMIT, MAX_LIMIT
from jobqueue.model.states import FAILURES, ExecutionState, JobStatus
from jobqueue.model.target import ANY

EXIT_JOB_FAILED = 1
#: Statuses of jobs that end a command with exit code 0.
GOOD_STATUSES = frozenset({JobStatus.COMPLETED.value, JobStatus.SKIPPED.value})

_id = click.argument("job_id", metavar="ID", shell_complete=job_ids_like)
_ids = click.argument("job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=job_ids_like)


@click.group(cls=ClientGroup)
def job() -> None:
    """Submit jobs, inspect them, wait for them, cancel them.

    ID is a job's id, at least four characters that it begins with, or its alias.
    """


job.add_command(diff)
job.add_command(apply)


@job.command()
@click.argument("operation", shell_complete=operations_like)
@click.argument("arguments", metavar="[-- ARGUMENT...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--data",
    type=json_object,
    metavar="JSON",
    help="The operation's data as JSON; @FILE reads a file, @- standard input.",
)
@data_option
@click.option(
    "--target",
    default=ANY,
    show_default=True,
    shell_complete=targets_like,
    help="_any, _all, a hostname, a label as key:value, or an expression such as 'web[01-20] and not zone:a'.",
)
@click.option("--timeout", type=duration, metavar="DURATION", help="Maximum run time on an agent, such as 30s.")
@click.option("--title", help="A title, shown in lists instead of the operation.")
@click.option("--description", help="The purpose of the job.")
@click.option("--priority", type=click.IntRange(0, 9), help="0 to 9, higher first.")
@click.option("--tag", "tags", type=pair, metavar="KEY=VALUE", multiple=True, help="Tag to find the job by.")
@click.option("--retries", type=click.IntRange(min=0), help="How many times a failed run is retried.")
@click.option("--not-before", type=future, metavar="TIME", help="Start no earlier: a UTC time, or a duration from now.")
@click.option("--expires-at", type=future, metavar="TIME", help="Start no later: a UTC time, or a duration from now.")
@click.option("--idempotency-key", metavar="KEY", help="A repeated submission with the same key returns the first job.")
@click.option("--dry-run", is_flag=True, help="Show which agents would take the job; submit nothing.")
@click.option("--plan-hash", metavar="HASH", help="Refuse the job if the agents differ from those of the --dry-run.")
@rollout_options
@concurrency_options
@click.option(
    "--watch/--no-watch",
    "--wait/--no-wait",
    "wait",
    default=False,
    help="Follow the job to its end and print the answers.",
)
@click.option(
    "--wait-timeout",
    type=duration,
    metavar="DURATION",
    help="With --watch: stop watching after this time; the job continues.",
)
@full_option
@json_option
@click.pass_context
def submit(  # noqa: PLR0913 - one for each option
    context: click.Context,
    /,
    operation: str,
    arguments: Sequence[str],
    data: dict[str, Any] | None,
    pairs: Sequence[tuple[str, Any]],
    timeout: float | None,
    tags: Sequence[tuple[str, str]],
    retries: int | None,
    wait: bool,
    wait_timeout: float | None,
    dry_run: bool,
    full: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit a job and print its id.

    \b
    jobqueue job submit node.uptime.get --target _all --watch
    jobqueue job submit command.exec.execute --target web1 -- ls -l /
    jobqueue job submit command.shell.execute --target group:web -- 'df -h | tail -n 3'
    jobqueue job submit network.ping.do -d address=db1 -d count:=3
    jobqueue job submit command.exec.execute --target group:web --canary 1 --batch 5% --max-failures 3 -- ./patch

    Exit code: 0 submitted (with --watch: completed or skipped), 1 the job failed, 2 any other error.
    """
    content = operation_data(data, pairs)
    named = different_tags(tags)
    rollout, concurrency = take_rollout(options), take_concurrency(options)
    with connect() as client:
        if arguments:
            add_arguments(content, arguments, operation, client.operations()["operations"])
        options |= {"retries": None if retries is None else {"max_attempts": retries + 1}}
        options |= {"timeout_seconds": timeout, "tags": named, "rollout": rollout, "concurrency": concurrency}
        if dry_run:
            show_plan(screen(full=full), client.plan(operation, content, **options), as_json=as_json)
            return
        accepted = client.submit(operation, content, **options)
        if accepted.get("accepted"):
            complain(one_line(f"{accepted['job_id']}: {accepted.get('message')}"))
        if wait:
            click.echo(f"Job {one_line(accepted['job_id'])}", err=True)
            _finish(context, client, accepted["job_id"], wait_timeout, full=full, as_json=as_json)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)


@job.command("list")
@click.option(
    "--status",
    type=statuses,
    metavar="STATUS[,STATUS...]",
    shell_complete=statuses_like,
    help=f"One of {', '.join(JobStatus)}, or several separated by commas.",
)
@click.option("--operation", metavar="TYPE", shell_complete=operations_like, help="Jobs of this operation.")
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
@_id
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
def get(
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
@_id
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
        _finish(context, client, job_id, timeout, full=full, as_json=as_json, oneline=oneline)


@job.command()
@_id
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


@job.command()
@_ids
@json_option
def cancel(job_ids: Sequence[str], as_json: bool) -> None:
    """Cancel queued or running jobs."""

    def stop(client: Client, job_id: str) -> dict[str, Any]:
        return client.cancel(job_id_of(client, job_id))

    for_each(job_ids, stop, lambda job: f"{one_line(job.get('id'))}  {_cancelled(job)}", as_json=as_json)


@job.command()
@_ids
@json_option
def pause(job_ids: Sequence[str], as_json: bool) -> None:
    """Pause rollouts: no further batch is opened; opened executions continue."""
    _steer(Client.pause, job_ids, as_json=as_json)


@job.command()
@_ids
@json_option
def resume(job_ids: Sequence[str], as_json: bool) -> None:
    """Resume paused rollouts."""
    _steer(Client.resume, job_ids, as_json=as_json)


@job.command()
@_ids
@json_option
@click.option("--plan-hash", help="For a job that exceeds its submitter's limits: approval.plan_hash in `job get`.")
def approve(job_ids: Sequence[str], as_json: bool, plan_hash: str | None) -> None:
    """Open the next batch of rollouts that wait for an approval, or a job that exceeds its submitter's limits."""
    _steer(lambda client, job_id: client.approve(job_id, plan_hash), job_ids, as_json=as_json)


@job.command()
@_ids
@json_option
def abort(job_ids: Sequence[str], as_json: bool) -> None:
    """Abort rollouts: held executions are cancelled; opened ones continue."""
    _steer(Client.abort, job_ids, as_json=as_json)


@job.command()
@_ids
@click.option("--target", shell_complete=targets_like, help="A different target for the retry.")
@click.option(
    "--only",
    type=click.Choice(sorted(state.value for state in FAILURES)),
    multiple=True,
    help="Only agents whose executions ended in this state; may be repeated.",
)
@yes_option
@json_option
def retry(job_ids: Sequence[str], target: str | None, only: Sequence[str], yes: bool, as_json: bool) -> None:
    """Submit jobs again and print the new ids.

    Asks before a job runs again on several hosts, or where it has completed; --yes skips the question.
    """

    def again(client: Client, job_id: str) -> dict[str, Any]:
        job_id = job_id_of(client, job_id)
        if not yes:
            confirm_again(client.job(job_id), target, only, yes=yes)
        return client.retry(job_id, target, only or None)

    for_each(job_ids, again, lambda accepted: one_line(accepted.get("job_id")), as_json=as_json)


@job.command()
@_id
@click.option(
    "--on", "target", metavar="TARGET", shell_complete=targets_like, help="A different target for the new job."
)
@click.option(
    "-d",
    "pairs",
    type=data_pair,
    metavar="KEY=VALUE",
    multiple=True,
    help="Another value in the data: key=text, key:text, key=@file, or key:=JSON.",
)
@click.option("--edit", is_flag=True, help="Change the request in $EDITOR first.")
@click.option("--watch", "wait", is_flag=True, help="Follow the new job to its end and print the answers.")
@yes_option
@full_option
@json_option
@click.pass_context
def rerun(  # noqa: PLR0913 - one for each option
    context: click.Context,
    /,
    job_id: str,
    target: str | None,
    pairs: Sequence[tuple[str, Any]],
    edit: bool,
    wait: bool,
    yes: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Submit a job's work as a new job, with changes, and print its id.

    \b
    jobqueue job rerun 6f1c2f8e -d version=1.11
    jobqueue job rerun 6f1c2f8e --on web1 --edit

    The new job has the same operation, data, target, title, tags, timeout, priority and retries. A retry, in contrast,
    is the same work again, and both jobs name each other. Asks as a retry does; --yes skips the question.
    """
    with connect() as client:
        first = client.job(job_id_of(client, job_id))
        request = request_of(first, pairs, target, edit=edit)
        confirm_again(first, request.get("target_hostname"), (), yes=yes)
        accepted = submit_request(client, request)
        if wait:
            click.echo(f"Job {one_line(accepted['job_id'])}", err=True)
            _finish(context, client, accepted["job_id"], None, full=full, as_json=as_json)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)


@job.command()
@_ids
@json_option
def delete(job_ids: Sequence[str], as_json: bool) -> None:
    """Delete finished jobs with all their data."""

    def forget(client: Client, job_id: str) -> dict[str, Any]:
        job_id = job_id_of(client, job_id)
        client.delete(job_id)
        return {"id": job_id, "deleted": True}

    for_each(job_ids, forget, lambda deleted: f"{one_line(deleted['id'])}  deleted", as_json=as_json)


def _steer(action: Callable[[Client, str], dict[str, Any]], job_ids: Sequence[str], *, as_json: bool) -> None:
    """Do this to the rollout of each job, and print its state."""

    def step(client: Client, job_id: str) -> dict[str, Any]:
        return action(client, job_id_of(client, job_id))

    def line(job: dict[str, Any]) -> str:
        return f"{one_line(job.get('id'))}  {one_line((job.get('rollout') or {}).get('state'))}"

    for_each(job_ids, step, line, as_json=as_json)


def _finish(
    context: click.Context,
    client: Client,
    job_id: str,
    timeout: float | None,
    *,
    full: bool,
    as_json: bool,
    oneline: bool = False,
) -> None:
    """Wait for the job, print its answers, and exit with the code of its status."""
    try:
        ended = watch(client, job_id, timeout)
    except WaitTimeout as error:
        complain(error.message)
        context.exit(EXIT_JOB_FAILED)
    if as_json:
        screen().json(ended)
    elif oneline:
        show_oneline(screen(full=full), answers(ended))
    elif ended.get("executions_left_out"):
        show_groups(screen(full=full), merged(client.iter_execution_pages(job_id, group="answer")))
    else:
        show_answers(screen(full=full), answers(ended))
    context.exit(0 if ended["status"] in GOOD_STATUSES else EXIT_JOB_FAILED)


def _cancelled(job: dict[str, Any]) -> str:
    status = one_line(job.get("status"))
    return status if status == JobStatus.CANCELLED.value else f"{status}, cancel requested"
