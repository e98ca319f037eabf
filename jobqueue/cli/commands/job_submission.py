"""``jobqueue job submit``, and the commands that submit a job again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobqueue.cli.again import confirm_again
from jobqueue.cli.candidates import operations_like, targets_like
from jobqueue.cli.concurrency import concurrency_options, take_concurrency
from jobqueue.cli.connection import connect
from jobqueue.cli.each import for_each
from jobqueue.cli.finishing import finish
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.parameters import (
    data_option,
    data_pair,
    duration,
    full_option,
    future,
    job_id_argument,
    job_ids_argument,
    json_object,
    json_option,
    pair,
    yes_option,
)
from jobqueue.cli.rerun import request_of, submit_request
from jobqueue.cli.rollout import rollout_options, take_rollout
from jobqueue.cli.steps_file import steps_data
from jobqueue.cli.submission import add_arguments, different_tags, operation_data
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.plan_view import show_plan
from jobqueue.cli.views.text import one_line
from jobqueue.cli.words_command import WordsCommand
from jobqueue.cli.work import STEPS
from jobqueue.client import Client
from jobqueue.model.states import FAILURES
from jobqueue.model.target import ANY


@click.command(cls=WordsCommand)
@click.argument("operation", metavar="OPERATION", required=False, shell_complete=operations_like)
@click.argument("arguments", metavar="[-- ARGUMENT...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--data",
    type=json_object,
    metavar="JSON",
    help="The operation's data as JSON; @FILE reads a file, @- standard input.",
)
@data_option
@click.option(
    "--steps", "steps_file", metavar="FILE", help="The steps of a YAML or JSON file, in place of an OPERATION."
)
@click.option(
    "--target",
    "--on",
    "target",
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
    operation: str | None,
    arguments: Sequence[str],
    data: dict[str, Any] | None,
    pairs: Sequence[tuple[str, Any]],
    steps_file: str | None,
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
    jobqueue job submit --steps upgrade.yaml --target group:web
    jobqueue job submit command.exec.execute --target group:web --canary 1 --batch 5% --max-failures 3 -- ./patch

    Exit code: 0 submitted (with --watch: completed or skipped), 1 the job failed, 2 any other error.
    """
    content = operation_data(data, pairs)
    if steps_file is not None:
        if operation is not None:
            raise click.UsageError(f"--steps takes the place of an operation; leave out {one_line(operation)}.")
        operation, content = STEPS, steps_data(steps_file, content)
    if operation is None:
        raise click.UsageError("Missing argument 'OPERATION'.")
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
            finish(context, client, accepted["job_id"], wait_timeout, full=full, as_json=as_json)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)


@click.command()
@job_ids_argument
@click.option("--target", "--on", "target", shell_complete=targets_like, help="A different target for the retry.")
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


@click.command()
@job_id_argument
@click.option(
    "--on",
    "--target",
    "target",
    metavar="TARGET",
    shell_complete=targets_like,
    help="A different target for the new job.",
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
            finish(context, client, accepted["job_id"], None, full=full, as_json=as_json)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)
