"""``jobqueue apply`` and ``jobqueue export``: records that are declared in files, such as those of a Git repository."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import click

from jobqueue.cli.connection import ClientCommand, connect
from jobqueue.cli.declared.applying import Step, apply_steps, compare, prunable
from jobqueue.cli.declared.kinds import BY_NAME, KINDS
from jobqueue.cli.declared.records import read_records
from jobqueue.cli.declared.writing import yaml_of
from jobqueue.cli.views.change_view import show_changes
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.text import one_line

_STATES = ("created", "changed", "unchanged", "deleted")


@click.command(cls=ClientCommand)
@click.option(
    "-f",
    "--file",
    "paths",
    metavar="PATH",
    multiple=True,
    required=True,
    help="A file, a directory with files, or - for standard input; may be repeated.",
)
@click.option("--manager", default="apply", show_default=True, metavar="NAME", help="The name of this set of files.")
@click.option("--prune", is_flag=True, help="Delete records of this manager that the files do not declare.")
@click.option("--take-over", is_flag=True, help="Also change records that another manager manages.")
@click.option("--dry-run", is_flag=True, help="Show what would change; store nothing.")
def apply(paths: Sequence[str], manager: str, prune: bool, take_over: bool, dry_run: bool) -> None:
    """Store the jobs, targets, schedules and notifications that files declare: jobqueue apply -f jobs/ --prune.

    Files are YAML or JSON; each document has `kind` (saved-job, target, schedule, notification), `name` and the fields
    of its kind. All differences are shown before anything is stored; if one record is refused, nothing is stored.
    Records that already match are not touched.
    """
    records = read_records(paths, manager)
    if prune and not records:
        raise click.ClickException("The files declare nothing; --prune would delete everything of this manager.")
    with connect() as client:
        steps = compare(client, records, take_over=take_over, complain=complain)
        steps += prunable(client, records, manager) if prune else []
        for step in steps:
            _show(step)
        if not dry_run:
            apply_steps(client, steps)
    counts = Counter(step.change for step in steps)
    note = " (dry run; nothing was stored)" if dry_run else ""
    screen().line(f"{', '.join(f'{counts[state]} {state}' for state in _STATES)}{note}")


@click.command(cls=ClientCommand)
@click.option("--kind", "kinds", type=click.Choice(list(BY_NAME)), multiple=True, help="Only records of this kind.")
@click.option("--manager", metavar="NAME", help="Only records that this set of files manages.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of YAML.")
def export(kinds: Sequence[str], manager: str | None, as_json: bool) -> None:
    """Print jobs, targets, schedules and notifications as files for `jobqueue apply`: jobqueue export > jobs.yaml."""
    with connect() as client:
        for kind in KINDS:
            if kinds and kind.name not in kinds:
                continue
            for name, body in kind.stored(client):
                managed_by = body.pop("managed_by", "")
                if manager is not None and managed_by != manager:
                    continue
                document = {"kind": kind.name, "name": name, **body}
                click.echo(json.dumps(document) if as_json else yaml_of(document), nl=as_json)


def _show(step: Step) -> None:
    if step.change != "unchanged":
        screen().line(f"{step.kind.name} {one_line(step.name)}  {step.change}")
        show_changes(screen(), [dict(change) for change in step.comparison.changes])
