"""``jobqueue saved``: jobs under names, with parameters, which `jobqueue run @NAME` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import saved_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.declared.loading import load_document
from jobqueue.cli.each import name_each
from jobqueue.cli.parameters import full_option, json_option
from jobqueue.cli.saved_edit import edit_saved
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.change_view import show_changes, show_stored
from jobqueue.cli.views.output import Column, Screen, screen
from jobqueue.cli.views.text import one_line
from jobqueue.client.saved import body_of

_COLUMNS = (
    Column("NAME", uncut=True),
    Column("VERSION", right=True),
    Column("OPERATION"),
    Column("TARGET", wrap=True),
    Column("PARAMETERS", wrap=True),
    Column("CHANGED BY"),
    Column("MANAGED BY"),
    Column("TITLE", wrap=True),
)


@click.group(cls=ClientGroup)
def saved() -> None:
    """Save jobs under names, with parameters; `jobqueue run @NAME` runs them."""


@saved.command("list")
@full_option
@json_option
def list_saved(full: bool, as_json: bool) -> None:
    """List all saved jobs."""
    with connect() as client:
        saved_jobs = list(client.saved.list())
    show_table(
        {"saved": saved_jobs},
        _COLUMNS,
        saved_jobs,
        _row,
        empty="No saved jobs; `jobqueue saved set` stores one.",
        as_json=as_json,
        full=full,
    )


@saved.command()
@click.argument("name", shell_complete=saved_like)
@click.option("--version", type=click.IntRange(min=1), help="An earlier version.")
@json_option
def show(name: str, version: int | None, as_json: bool) -> None:
    """Show a saved job and its parameters."""
    with connect() as client:
        saved_job = client.saved.get(_plain(name), version)
    out = screen()
    if as_json:
        out.json(saved_job)
        return
    out.fields(
        [
            ("Name", saved_job.get("name")),
            ("Title", saved_job.get("title")),
            ("Description", saved_job.get("description")),
            ("Version", saved_job.get("version")),
            ("Changed", f"{out.when(saved_job.get('changed'))} by {one_line(saved_job.get('changed_by'))}"),
            ("Managed by", saved_job.get("managed_by") or None),
            ("Operation", (saved_job.get("operation") or {}).get("type")),
            ("Target", _target(saved_job)),
            ("May run it", ", ".join(map(one_line, saved_job.get("run_by") or ())) or None),
            ("May edit it", ", ".join(map(one_line, saved_job.get("edit_by") or ())) or None),
        ]
    )
    for name, schema in (saved_job.get("parameters") or {}).items():
        out.line(f"  -p {one_line(name)}=...  {one_line(_about(schema))}")
    out.json(body_of(saved_job))


@saved.command("set")
@click.argument("name", shell_complete=saved_like)
@click.option(
    "-f", "--file", "path", metavar="FILE", required=True, help="The saved job in YAML or JSON; - reads standard input."
)
@click.option(
    "--version", type=click.IntRange(min=0), help="Refused unless this is the present version; 0: unless it is new."
)
@click.option("--dry-run", is_flag=True, help="Show what would change; store nothing.")
@json_option
def set_saved(name: str, path: str, version: int | None, dry_run: bool, as_json: bool) -> None:
    """Save a job, or replace it by a new version: jobqueue saved set deploy -f deploy.yaml.

    \b
    operation:
      type: script.shell.execute
      data:
        script: install-release "$VERSION"
        env: {VERSION: "{{ version }}"}
    target_hostname: group:web
    parameters:
      version: {description: "The release, such as 1.4.2"}"""
    body = load_document(path)
    with connect() as client:
        done = client.saved.put(_plain(name), body, version=version, dry_run=dry_run)
    _show_done(done, as_json=as_json)


@saved.command()
@click.argument("name", shell_complete=saved_like)
@json_option
def edit(name: str, as_json: bool) -> None:
    """Change a saved job as YAML in $EDITOR: jobqueue saved edit deploy.

    A text that is refused is shown again with the reason. If the saved job was changed meanwhile, nothing is stored and
    the text is kept.
    """
    with connect() as client:
        done = edit_saved(client, _plain(name))
    if done is not None:
        _show_done(done, as_json=as_json)
    elif not as_json:
        screen().line(f"@{one_line(_plain(name))}  not changed")


@saved.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=saved_like)
def delete(names: Sequence[str]) -> None:
    """Delete saved jobs with their versions; their jobs stay."""
    name_each([_plain(name) for name in names], lambda client, name: client.saved.delete(name), "deleted")


@saved.command()
@click.argument("name", shell_complete=saved_like)
@json_option
def versions(name: str, as_json: bool) -> None:
    """List the kept versions of a saved job, newest first."""
    with connect() as client:
        answer = client.saved.versions(_plain(name))
    show_table(
        answer,
        (Column("VERSION", right=True), Column("CHANGED"), Column("BY")),
        answer["versions"],
        lambda out, version: [version.get("version"), out.when(version.get("changed")), version.get("changed_by")],
        empty="No versions.",
        as_json=as_json,
    )


@saved.command()
@click.argument("name", shell_complete=saved_like)
@click.option("--from", "before", type=click.IntRange(min=1), help="The earlier version; default: the one before --to.")
@click.option("--to", "after", type=click.IntRange(min=1), help="The later version; default: the newest.")
@json_option
def diff(name: str, before: int | None, after: int | None, as_json: bool) -> None:
    """Show what changed between two versions of a saved job."""
    with connect() as client:
        answer = client.saved.diff(_plain(name), before, after)
    if as_json:
        screen().json(answer)
        return
    screen().line(f"{one_line(name)}: version {answer['from']} to {answer['to']}")
    show_changes(screen(), answer["changes"])


@saved.command()
@click.argument("name", shell_complete=saved_like)
@click.argument("version", type=click.IntRange(min=1))
@json_option
def restore(name: str, version: int, as_json: bool) -> None:
    """Make an earlier version of a saved job the newest one."""
    with connect() as client:
        done = client.saved.restore(_plain(name), version)
    _show_done(done, as_json=as_json)


def _show_done(done: Mapping[str, Any], *, as_json: bool) -> None:
    show_stored(f"@{done['saved']['name']}", done, done["saved"], as_json=as_json)


def _row(_: Screen, saved_job: Mapping[str, Any]) -> list[Any]:
    return [
        saved_job.get("name"),
        saved_job.get("version"),
        (saved_job.get("operation") or {}).get("type"),
        saved_job.get("target_hostname"),
        ", ".join(saved_job.get("parameters") or ()),
        saved_job.get("changed_by"),
        saved_job.get("managed_by"),
        saved_job.get("title"),
    ]


def _target(saved_job: Mapping[str, Any]) -> str:
    note = " (a run may name another one)" if saved_job.get("target_override") else ""
    return f"{one_line(saved_job.get('target_hostname'))}{note}"


def _about(schema: Mapping[str, Any]) -> str:
    words = ["secret" if schema.get("secret") else str(schema.get("type"))]
    if "enum" in schema:
        words.append(f"one of {', '.join(map(str, schema['enum']))}")
    if "default" in schema:
        words.append(f"default {schema['default']}")
    elif schema.get("required", True):
        words.append("required")
    about = schema.get("description")
    return f"{', '.join(words)}: {about}" if about else ", ".join(words)


def _plain(name: str) -> str:
    """The name without the @ that `jobqueue run` takes."""
    return name.removeprefix("@")
