"""``jobqueue run``: one line to run a command, a script or an operation, and to see how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from jobqueue.cli.candidates import work_like
from jobqueue.cli.check import check_options, take_check, with_check
from jobqueue.cli.concurrency import concurrency_options, take_concurrency
from jobqueue.cli.connection import EXIT_INTERRUPTED, ClientCommand, connect
from jobqueue.cli.finishing import EXIT_JOB_FAILED, GOOD_STATUSES
from jobqueue.cli.fleet_plan import announce
from jobqueue.cli.interrupt import settle_interrupted
from jobqueue.cli.job_options import JobOptions, job_options
from jobqueue.cli.parameters import duration, full_option, json_option, oneline_option
from jobqueue.cli.rollout import take_rollout
from jobqueue.cli.saved_run import saved_options, saved_values
from jobqueue.cli.views.answer_view import show_line
from jobqueue.cli.views.answers import Answer, answers, is_process, show_answers
from jobqueue.cli.views.left_out import show_left_out
from jobqueue.cli.views.live import show_live
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.plan_view import show_plan
from jobqueue.cli.views.process_answers import show_oneline, show_prefixed
from jobqueue.cli.views.steps_view import show_step_states
from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.totals import totals
from jobqueue.cli.views.waiting import show_waiting
from jobqueue.cli.views.watch import watch
from jobqueue.cli.words_command import WordsCommand
from jobqueue.cli.work import target_of, work_of
from jobqueue.client import ApiError, Client, WaitTimeout
from jobqueue.model.states import FINAL_STATES
from jobqueue.model.step_results import step_results
from jobqueue.model.target import ANY

_FINAL = frozenset(state.value for state in FINAL_STATES)
#: On a terminal, outputs of more hosts than this are grouped.
_PREFIXED_HOSTS = 20
#: Statuses with which a front answers for output that it cannot follow: no cell has the job yet, or several have.
_NOT_FOLLOWED = (409, 501)


class RunCommand(WordsCommand, ClientCommand):
    """The class of ``jobqueue run``."""


@dataclass(frozen=True)
class _Display:
    """The way in which answers are printed."""

    oneline: bool
    group: bool
    full: bool
    as_json: bool

    @property
    def is_live(self) -> bool:
        """Whether the output of a single host is printed as it arrives."""
        return not (self.oneline or self.group or self.as_json)


@dataclass(frozen=True)
class _Request:
    """The request of a command line, to be planned or submitted."""

    plan: Callable[[], dict[str, Any]]
    submit: Callable[[], dict[str, Any]]


@click.command(cls=RunCommand)
@click.argument("words", metavar="COMMAND|OPERATION [-- WORD...]", nargs=-1, shell_complete=work_like)
@job_options
@click.option(
    "--wait-timeout",
    type=duration,
    metavar="DURATION",
    help="Stop waiting after this time and print the answers so far; the job continues.",
)
@concurrency_options
@check_options
@oneline_option
@click.option("--group", is_flag=True, help="Print equal answers once, under the names of their hosts.")
@click.option("--dry-run", is_flag=True, help="Show which agents would run it; submit nothing.")
@click.option("--no-wait", is_flag=True, help="Submit, print the job's id and exit.")
@full_option
@json_option
@click.pass_context
def run(  # noqa: PLR0913 - one for each option
    context: click.Context,
    /,
    words: Sequence[str],
    wait_timeout: float | None,
    oneline: bool,
    group: bool,
    no_wait: bool,
    dry_run: bool,
    full: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a shell command, a script or an operation on hosts, and print the answers.

    \b
    jobqueue run 'df -h' --on group:web
    jobqueue run 'systemctl restart nginx' --on web1 --on web2
    jobqueue run --script check.sh --on _all --oneline
    jobqueue run 'apt-get -y upgrade' --on group:web --canary 1 --batch 5% --max-failures 3
    jobqueue run network.ping.do -d address=db1 -d count:=3
    jobqueue run node.package.install --on group:web -d name=nginx --check --diff
    jobqueue run --steps upgrade.yaml --on group:web --batch 10%
    jobqueue run @deploy -p version=1.4

    One word such as node.uptime.get is an operation; all else is a line for /bin/sh. Quote a command that has options,
    or put it after --. Work that may change hosts needs --on. The output of a single host is printed as it arrives. For
    several hosts, progress is shown first, and then each line after the name of its host. The last line (on standard
    error) counts the hosts. Ctrl-C asks whether to cancel the job; in a pipe, the job continues.

    Exit code: 0 completed or skipped on every host, 1 otherwise (also after --wait-timeout), 2 wrong usage or no
    connection.
    """
    display = _Display(oneline, group, full, as_json)
    if sum((oneline, group, as_json)) > 1:
        raise click.UsageError("Choose one of --oneline, --group and --json.")
    job = JobOptions.take(options)
    terms = job.terms | {"rollout": take_rollout(options), "concurrency": take_concurrency(options)}
    check = take_check(options)
    name = job.saved_name(words, "jobqueue run @NAME")
    with connect() as client:
        if name is not None:
            refused = job.own_of_saved | {
                "An option of a rollout": terms["rollout"],
                "--concurrency": terms["concurrency"],
                **{f"--{field}": True for field in check},
            }
            request = _saved_request(client, name, job.values, saved_options(job.targets, refused))
        else:
            work = with_check(client, work_of(client, words, job), check)
            arguments = (work.operation, work.data, target_of(job.targets, work))
            request = _Request(partial(client.plan, *arguments, **terms), partial(client.submit, *arguments, **terms))
        if dry_run:
            show_plan(screen(full=full), request.plan(), as_json=as_json)
            return
        accepted = request.submit()
        job_id = str(accepted["job_id"])
        if no_wait:
            _show_accepted(accepted, as_json=as_json)
            return
        try:
            ended = _follow(client, job_id, wait_timeout, display)
        except KeyboardInterrupt:
            settle_interrupted(client, job_id)
            context.exit(EXIT_INTERRUPTED)
        if check.get("check") and not as_json:
            announce(client, ended)
    context.exit(0 if ended["status"] in GOOD_STATUSES else EXIT_JOB_FAILED)


def _saved_request(
    client: Client, name: str, values: Sequence[tuple[str, Any]], options: Mapping[str, Any]
) -> _Request:
    arguments = (name, saved_values(client, name, values))
    return _Request(partial(client.saved.plan, *arguments, **options), partial(client.saved.run, *arguments, **options))


def _show_accepted(accepted: Mapping[str, Any], *, as_json: bool) -> None:
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)


def _follow(client: Client, job_id: str, wait_timeout: float | None, display: _Display) -> dict[str, Any]:
    """Wait for the job and print its answers; returns it as it is then."""
    deadline = None if wait_timeout is None else time.monotonic() + wait_timeout
    click.echo(f"Job {one_line(job_id)}", err=True)
    job = client.job(job_id)
    show_left_out(client, job)
    is_live = display.is_live and _has_one_host(job)
    late = ""
    if is_live:
        show_waiting(client, job)
    try:
        is_live = is_live and _shown_live(client, job_id, deadline)
        if is_live:
            job = client.wait(job_id, _seconds_left(deadline))
        else:
            job = watch(client, job_id, _seconds_left(deadline))
    except WaitTimeout as error:
        job = error.job
        late = f"Job {job_id} did not end within {wait_timeout:g} s and continues: jobqueue job watch {job_id}"
    _show(job, display, is_live=is_live)
    if late:
        complain(late)
    return job


def _shown_live(client: Client, job_id: str, deadline: float | None) -> bool:
    """Print the output as it arrives; False if the server is a front that cannot follow it."""
    try:
        show_live(client, job_id, deadline)
    except ApiError as error:
        if error.status not in _NOT_FOLLOWED:
            raise
        return False
    return True


def _has_one_host(job: Mapping[str, Any]) -> bool:
    hosts = job.get("expected_agents") or ()
    return len(hosts) == 1 or (not hosts and job.get("target_hostname") == ANY)


def _seconds_left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def _show(job: Mapping[str, Any], display: _Display, *, is_live: bool) -> None:
    if display.as_json:
        screen().json(job)
        return
    host_answers = answers(job)
    ended = [answer for answer in host_answers if answer.status in _FINAL]
    if is_live and all(answer.data is None or is_process(answer.data) for answer in ended):
        pass  # all of it was shown as it arrived
    elif is_live and all(step_results(answer.data) is not None for answer in ended):
        show_step_states(screen(full=display.full), ended)
    else:
        _show_answers(ended, display)
    click.echo(totals(job, host_answers), err=True)


def _show_answers(ended: list[Answer], display: _Display) -> None:
    out = screen(full=display.full)
    if display.oneline:
        show_oneline(out, ended)
    elif display.group or not any(is_process(answer.data) for answer in ended):
        show_answers(out, ended)
    elif out.full or len(ended) <= _PREFIXED_HOSTS:
        show_prefixed(out, ended)
    else:
        show_answers(out, ended)
