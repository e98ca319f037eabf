"""``jobqueue import``: files for `jobqueue apply` from the jobs of other systems."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.declared.loading import STDIN, read_file
from jobqueue.cli.imports.crontab import CrontabOptions, import_crontab
from jobqueue.cli.imports.imported import Imported, slug
from jobqueue.cli.imports.rundeck import RundeckOptions, import_rundeck
from jobqueue.cli.imports.storing import store, text_of
from jobqueue.cli.views.output import make_streams_safe, screen
from jobqueue.cli.views.text import one_line

_F = TypeVar("_F", bound=Callable[..., Any])
#: Not all jobs of the source were imported.
EXIT_INCOMPLETE = 1


def _not_empty(text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; name hosts, a group or an expression.")
    return text


def _prefix(text: str) -> str:
    if not text or slug(text) != text:
        raise click.BadParameter(f"{text!r} has characters other than letters, digits and . _ -")
    return text


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?", text):
        raise click.BadParameter(f"{text!r} is not the key of a label.")
    return text


@click.group("import", cls=CommandGroup)
def import_jobs() -> None:
    """Write files for `jobqueue apply` from crontabs and Rundeck's job definitions.

    Jobs that cannot be imported are reported with the reason. Nothing is guessed, and nothing is sent to the API. The
    exit code is 1 if a job was not imported.
    """
    make_streams_safe()


def _options(command: _F) -> _F:
    for option in (
        click.option("--dry-run", is_flag=True, help="Print the files' content; write nothing."),
        click.option("--replace", is_flag=True, help="Overwrite files that exist with other content."),
        click.option("--prefix", type=_prefix, metavar="NAME", help="Prefix of the names of the records."),
        click.option(
            "--output",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("jobs"),
            show_default=True,
            help="Where to write the files.",
        ),
    ):
        command = option(command)
    return command


@import_jobs.command()
@click.argument("file")
@click.option(
    "--on", "target", type=_not_empty, metavar="TARGET", required=True, help="The hosts on which the jobs run."
)
@click.option("--user-column", is_flag=True, help="A user precedes each command, as in /etc/crontab and /etc/cron.d.")
@click.option(
    "--agent-user",
    metavar="USER",
    default="root",
    show_default=True,
    help="The user that agents run commands as; with --user-column, lines of other users are not imported.",
)
@click.option("--time-zone", metavar="ZONE", help="The zone of the hosts' clocks, such as Europe/Berlin; default: UTC.")
@_options
def crontab(file: str, target: str, user_column: bool, agent_user: str, time_zone: str | None, **options: Any) -> None:
    """A saved job and a schedule for each line of a crontab: jobqueue import crontab web1.cron --on web1."""
    prefix = options.pop("prefix") or slug("" if file == STDIN else Path(file).stem) or "crontab"
    terms = CrontabOptions(target, prefix, time_zone or "UTC", agent_user if user_column else None)
    imported = read_file(file, functools.partial(import_crontab, file=_shown(file), options=terms))
    if time_zone is None and imported.files:
        imported.note(_shown(file), "times are in UTC; --time-zone names the zone of the hosts' clocks.")
    _finish(imported, **options)


@import_jobs.command()
@click.argument("file")
@click.option(
    "--on", "target", type=_not_empty, metavar="TARGET", help="Target of jobs that run on Rundeck's server itself."
)
@click.option("--tag-label", type=_label, metavar="KEY", help="The label that holds the tags of Rundeck's nodes.")
@click.option("--time-zone", metavar="ZONE", help="The zone of Rundeck's server, such as Europe/Berlin; default: UTC.")
@_options
def rundeck(file: str, target: str | None, tag_label: str | None, time_zone: str | None, **options: Any) -> None:
    """A saved job, and a schedule, for each job in an export of Rundeck: jobqueue import rundeck jobs.yaml."""
    terms = RundeckOptions(options.pop("prefix") or "", target, tag_label, time_zone or "UTC")
    imported = read_file(file, functools.partial(import_rundeck, file=_shown(file), options=terms))
    if time_zone is None and any("cron" in record for file in imported.files for record in file.records):
        imported.note(_shown(file), "times without a zone are in UTC; --time-zone names the zone of Rundeck's server.")
    _finish(imported, **options)


def _shown(file: str) -> str:
    return "standard input" if file == STDIN else one_line(file)


def _finish(imported: Imported, *, output: Path, dry_run: bool, replace: bool) -> None:
    """Write or print the files, then the remarks and a summary."""
    if dry_run:
        for file in imported.files:
            click.echo(text_of(file), nl=False)
    else:
        for path in store(imported.files, output, replace=replace):
            screen().line(f"{one_line(str(path))}  written")
    for remark in imported.remarks:
        click.echo(one_line(str(remark)), err=True)
    notes = len(imported.remarks) - imported.left_out
    # in a dry run, standard output holds the files only
    summary = (
        f"{len(imported.files)} imported, {imported.left_out} not imported, {notes} {'note' if notes == 1 else 'notes'}"
    )
    if dry_run:
        click.echo(f"{summary} (dry run; nothing was written)", err=True)
    else:
        screen().line(summary)
    if imported.left_out:
        click.get_current_context().exit(EXIT_INCOMPLETE)
