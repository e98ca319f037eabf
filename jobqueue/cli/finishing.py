"""The end of a command that follows a job: its answers, and the exit code."""

from __future__ import annotations

import click

from jobqueue.cli.views.answers import answers, show_answers
from jobqueue.cli.views.execution_view import merged, show_groups
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.process_answers import show_oneline
from jobqueue.cli.views.watch import watch
from jobqueue.client import Client, WaitTimeout
from jobqueue.model.states import JobStatus

EXIT_JOB_FAILED = 1
#: Statuses of jobs that end a command with exit code 0.
GOOD_STATUSES = frozenset({JobStatus.COMPLETED.value, JobStatus.SKIPPED.value})


def finish(
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
