"""``jobqueue schedule``: jobs that are submitted at set times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import schedules_like, work_like, workflows_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import name_each
from jobqueue.cli.job_options import JobOptions, job_options
from jobqueue.cli.parameters import full_option, json_object, json_option, past
from jobqueue.cli.rollout import take_rollout
from jobqueue.cli.saved_run import saved_options, saved_values, typed_values
from jobqueue.cli.schedule_options import schedule_options, take_terms, timing_options
from jobqueue.cli.views.answer_view import show_line, show_table
from jobqueue.cli.views.output import Column, screen
from jobqueue.cli.views.schedule_view import COLUMNS, schedule_row, show_schedule, when_of
from jobqueue.cli.views.text import one_line
from jobqueue.cli.words_command import WordsCommand
from jobqueue.cli.work import target_of, work_of
from jobqueue.client import Client

_name = click.argument("name", shell_complete=schedules_like)
_BACKFILLED = (Column("TIME", uncut=True), Column("OUTCOME"), Column("JOB", uncut=True), Column("REASON", wrap=True))
#: A job of a backfill was refused.
EXIT_REFUSED = 1
_TIMES = (Column("TIME", uncut=True), Column("LOCAL", uncut=True))


@click.group(cls=ClientGroup)
def schedule() -> None:
    """Submit jobs at set times: by cron expression, at an interval, once, or by a recurrence rule."""


@schedule.command(cls=WordsCommand)
@_name
@click.argument("words", metavar="[COMMAND|OPERATION|@SAVED [-- WORD...]]", nargs=-1, shell_complete=work_like)
@job_options
@click.option("--job", type=json_object, metavar="JSON|@FILE", help="The whole job, as a body of POST /job.")
@click.option(
    "--workflow",
    metavar="NAME",
    shell_complete=workflows_like,
    help="Start runs of this workflow; -p gives the values of its parameters.",
)
@schedule_options
@click.option("--replace", is_flag=True, help="Replace the schedule with this name, if there is one.")
@click.option("--dry-run", is_flag=True, help="Show the next ten times; store nothing.")
@json_option
def create(
    *,
    name: str,
    words: Sequence[str],
    job: dict[str, Any] | None,
    workflow: str | None,
    replace: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Create a schedule. Its jobs have the permissions that you have at each time.

    \b
    jobqueue schedule create nightly --cron '0 3 * * 1-5' --time-zone Europe/Berlin --on group:web 'apt-get update'
    jobqueue schedule create pings --every 15m network.ping.do -d address=db1
    jobqueue schedule create releases --cron @daily @deploy -p version=1.4
    jobqueue schedule create upgrades --cron @weekly --workflow upgrade-shop -p version=1.4
    jobqueue schedule create smoke-test --after @deploy --on group:web /opt/smoke-test
    jobqueue schedule create once --at 2030-01-31T12:00:00Z --job @job.json
    """
    terms, rollout = take_terms(options), take_rollout(options)
    parts = JobOptions.take(options)
    name_of_saved = None if workflow else parts.saved_name(words, "jobqueue schedule create NAME @SAVED")
    is_described = (
        words or rollout or any((parts.targets, parts.script, parts.steps_file, *parts.own_of_saved.values()))
    )
    if job is not None and is_described:
        raise click.UsageError("--job gives the jobs as a whole; leave out words and the other options of a job.")
    if workflow and (is_described or job is not None):
        raise click.UsageError("--workflow has jobs of its own; leave out words, --job and the other options of a job.")
    with connect() as client:
        if dry_run:
            _show_times(_preview(client, terms), as_json=as_json)
            return
        if workflow:
            job = _workflow_run(client, workflow, parts.values)
        elif name_of_saved is not None:
            refused = parts.own_of_saved | {"An option of a rollout": rollout}
            job = _saved_job(client, name_of_saved, parts.values, saved_options(parts.targets, refused))
        elif job is None:
            work = work_of(client, words, parts)
            job = {
                "operation": {"type": work.operation, "data": work.data},
                "target_hostname": target_of(parts.targets, work),
                **parts.terms,
                "rollout": rollout,
            }
            job = {key: value for key, value in job.items() if value not in (None, {})}
        stored = (client.set_schedule if replace else client.create_schedule)(name, job, **terms)
    following = when_of(stored) if stored.get("after") else f"next {one_line(stored.get('next_time'))}"
    show_line(stored, f"{one_line(stored.get('name'))}  {one_line(following)}", as_json=as_json)


@schedule.command()
@click.argument("name", required=False, shell_complete=schedules_like)
@timing_options
@json_option
def preview(name: str | None, as_json: bool, **options: Any) -> None:
    """Show the next ten times of options, or of a stored schedule, with options in place of its own.

    \b
    jobqueue schedule preview --cron '30 2 * * *' --time-zone Europe/Berlin
    jobqueue schedule preview nightly --time-zone UTC
    """
    terms = take_terms(options)
    with connect() as client:
        stored = {} if name is None else _stored_terms(client.schedule(name), terms)
        answer = _preview(client, stored | terms)
    _show_times(answer, as_json=as_json)


@schedule.command("list")
@full_option
@json_option
def list_schedules(full: bool, as_json: bool) -> None:
    """List all schedules by name, with their next time and last result."""
    with connect() as client:
        schedules = list(client.iter_schedules())
    answer = {"schedules": schedules, "total": len(schedules)}
    empty = "No schedules; `jobqueue schedule create` stores one."
    show_table(answer, COLUMNS, schedules, schedule_row, empty=empty, as_json=as_json, full=full)


@schedule.command()
@_name
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a schedule, its last results and its next times."""
    with connect() as client:
        stored = client.schedule(name)
    out = screen()
    if as_json:
        out.json(stored)
    else:
        show_schedule(out, stored)


@schedule.command()
@_name
@click.option("--reason", default="", help="The reason; shown with the pause.")
@json_option
def pause(name: str, reason: str, as_json: bool) -> None:
    """Pause a schedule: its times pass without jobs."""
    with connect() as client:
        _show_change(client.pause_schedule(name, reason), "paused", as_json=as_json)


@schedule.command()
@_name
@json_option
def resume(name: str, as_json: bool) -> None:
    """End the pause of a schedule."""
    with connect() as client:
        _show_change(client.resume_schedule(name), "resumed", as_json=as_json)


@schedule.command()
@_name
@json_option
def trigger(name: str, as_json: bool) -> None:
    """Submit a schedule's job now, with your own permissions, and print its id."""
    with connect() as client:
        accepted = client.trigger_schedule(name)
    show_line(accepted, one_line(accepted["job_id"]), as_json=as_json)


@schedule.command()
@_name
@click.option("--from", "begin", type=past, required=True, metavar="TIME", help="A time, or a duration before now.")
@click.option("--to", "end", type=past, required=True, metavar="TIME", help="A time, or a duration before now.")
@click.option("--dry-run", is_flag=True, help="List the times only; submit nothing.")
@json_option
def backfill(name: str, begin: str, end: str, dry_run: bool, as_json: bool) -> None:
    """Submit the jobs of past times that have none: jobqueue schedule backfill nightly --from 3d --to 1d.

    Each time has at most one job, so the command may be repeated. Unless the schedule's overlap is allow, the jobs run
    one after the other. The exit code is 1 if a job was refused.
    """
    with connect() as client:
        times = list(client.backfill_schedule(name, begin, end, dry_run=dry_run))
    names = ("time", "outcome", "job_id", "reason")
    show_table(
        {"times": times},
        _BACKFILLED,
        times,
        lambda _, time: [time.get(name) for name in names],
        empty="The schedule has no times in this range.",
        as_json=as_json,
    )
    if any(time["outcome"] == "refused" for time in times):
        click.get_current_context().exit(EXIT_REFUSED)


@schedule.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=schedules_like)
def delete(names: Sequence[str]) -> None:
    """Delete schedules. Their jobs remain."""
    name_each(names, Client.delete_schedule, "deleted")


def _saved_job(
    client: Client, name: str, values: Sequence[tuple[str, Any]], options: Mapping[str, Any]
) -> dict[str, Any]:
    return {"saved": name, "parameters": saved_values(client, name, values), **options}


def _workflow_run(client: Client, name: str, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = typed_values(pairs, lambda: client.workflows.get(name).get("parameters") or {})
    return {"workflow": name, "parameters": values}


def _preview(client: Client, terms: Mapping[str, Any]) -> dict[str, Any]:
    if "after" in terms:
        raise click.UsageError("--after has no times to show; leave out --dry-run.")
    others = ("overlap", "catch_up", "expires_after", "description", "paused")
    return client.preview_schedule(**{name: value for name, value in terms.items() if name not in others})


def _stored_terms(stored: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The times of a stored schedule as the API takes them, without those that ``others`` replace."""
    if stored.get("after"):
        raise click.UsageError(f"{one_line(stored.get('name'))} has no times to show: it follows another job.")
    kinds = ("cron", "every", "at", "rrule", "anchor")
    kept = () if any(kind in others for kind in kinds[:4]) else kinds
    names = (*kept, "time_zone", "starts", "ends", "blackouts")
    return {name: stored[name] for name in names if stored.get(name)}


def _show_times(answer: Mapping[str, Any], *, as_json: bool) -> None:
    show_table(
        answer,
        _TIMES,
        answer["times"],
        lambda _, time: [time.get("time"), time.get("local")],
        empty="The schedule has no further times.",
        as_json=as_json,
    )


def _show_change(stored: Mapping[str, Any], change: str, *, as_json: bool) -> None:
    show_line(stored, f"{one_line(stored.get('name'))}  {change}", as_json=as_json)
