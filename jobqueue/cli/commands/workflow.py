"""``jobqueue workflow``: procedures over several hosts, and their runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import runs_like, workflows_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.declared.loading import load_document
from jobqueue.cli.each import name_each
from jobqueue.cli.finishing import EXIT_JOB_FAILED, GOOD_STATUSES
from jobqueue.cli.parameters import data_pair, duration, full_option, json_option
from jobqueue.cli.saved_run import typed_values
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.change_view import show_stored
from jobqueue.cli.views.output import Column, Screen, complain, screen
from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.workflow_view import NODE_COLUMNS, RUN_COLUMNS, NodeNews, node_row, run_row, show_run
from jobqueue.client import Client, WaitTimeout
from jobqueue.errors import InvalidInput

_COLUMNS = (
    Column("NAME", uncut=True),
    Column("VERSION", right=True),
    Column("NODES", right=True),
    Column("PARAMETERS", wrap=True),
    Column("CHANGED BY"),
    Column("MANAGED BY"),
    Column("TITLE", wrap=True),
)
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Fewer characters are not taken for the beginning of a run's id; and how many of the newest runs are looked through.
_SHORTEST, _MOST_RUNS = 4, 100
_name = click.argument("name", shell_complete=workflows_like)
_run = click.argument("word", metavar="RUN", shell_complete=runs_like)
_timeout = click.option(
    "--wait-timeout", type=duration, metavar="DURATION", help="Stop waiting after this time; the run continues."
)


@click.group(cls=ClientGroup)
def workflow() -> None:
    """Run procedures over several hosts: jobs one after another, by the outcome of those before."""


@workflow.command("list")
@full_option
@json_option
def list_workflows(full: bool, as_json: bool) -> None:
    """List all workflows."""
    with connect() as client:
        workflows = list(client.workflows.list())
    show_table(
        {"workflows": workflows},
        _COLUMNS,
        workflows,
        _row,
        empty="No workflows; `jobqueue workflow set` stores one.",
        as_json=as_json,
        full=full,
    )


@workflow.command()
@_name
@click.option("--version", type=click.IntRange(min=1), help="An earlier version.")
@json_option
def show(name: str, version: int | None, as_json: bool) -> None:
    """Show a workflow and its nodes."""
    with connect() as client:
        document = client.workflows.get(name, version)
    out = screen()
    if as_json:
        out.json(document)
        return
    out.fields(
        [
            ("Name", document.get("name")),
            ("Title", document.get("title") or None),
            ("Description", document.get("description") or None),
            ("Version", document.get("version")),
            ("Changed", f"{out.when(document.get('changed'))} by {one_line(document.get('changed_by'))}"),
            ("Managed by", document.get("managed_by") or None),
            ("Parameters", ", ".join(map(one_line, document.get("parameters") or ())) or None),
            ("May run it", ", ".join(map(one_line, document.get("run_by") or ())) or None),
            ("May edit it", ", ".join(map(one_line, document.get("edit_by") or ())) or None),
        ]
    )
    out.table(NODE_COLUMNS, [node_row(node) for node in document.get("nodes") or ()])


@workflow.command("set")
@_name
@click.option(
    "-f", "--file", "path", metavar="FILE", required=True, help="The workflow in YAML or JSON; - reads standard input."
)
@click.option(
    "--version", type=click.IntRange(min=0), help="Refused unless this is the present version; 0: unless it is new."
)
@click.option("--dry-run", is_flag=True, help="Show what would change; store nothing.")
@json_option
def set_workflow(name: str, path: str, version: int | None, dry_run: bool, as_json: bool) -> None:
    """Store a workflow, or replace it by a new version: jobqueue workflow set upgrade -f upgrade.yaml.

    \b
    nodes:
      - name: upgrade
        saved: deploy
      - name: smoke-test
        needs: [upgrade]
        target_hostname: test1
        operation: {type: command.exec.execute, data: {argv: [smoke-test]}}
      - name: roll-back
        needs: [upgrade, smoke-test]
        when: failure
        saved: roll-back
    """
    body = load_document(path)
    with connect() as client:
        done = client.workflows.put(name, body, version=version, dry_run=dry_run)
    show_stored(name, done, done["workflow"], as_json=as_json)


@workflow.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=workflows_like)
def delete(names: Sequence[str]) -> None:
    """Delete workflows with their versions; their runs stay."""
    name_each(names, lambda client, name: client.workflows.delete(name), "deleted")


@workflow.command()
@_name
@json_option
def versions(name: str, as_json: bool) -> None:
    """List the kept versions of a workflow, newest first."""
    with connect() as client:
        answer = client.workflows.versions(name)
    show_table(
        answer,
        (Column("VERSION", right=True), Column("CHANGED"), Column("BY")),
        answer["versions"],
        lambda out, version: [version.get("version"), out.when(version.get("changed")), version.get("changed_by")],
        empty="No versions.",
        as_json=as_json,
    )


@workflow.command()
@_name
@click.option(
    "-p",
    "pairs",
    type=data_pair,
    metavar="NAME=VALUE",
    multiple=True,
    help="The value of a parameter: name=text, name=@file, name:=JSON.",
)
@_timeout
@click.option("--no-wait", is_flag=True, help="Start it, print the run's id and exit.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    name: str,
    pairs: Sequence[tuple[str, Any]],
    wait_timeout: float | None,
    no_wait: bool,
    as_json: bool,
) -> None:
    """Run a workflow, and show the state of its nodes: jobqueue workflow run upgrade -p version=1.4.

    Exit code: 0 if it completed, 1 otherwise (also after --wait-timeout), 2 wrong usage or no connection. Ctrl-C ends
    the command; the run continues.
    """
    with connect() as client:
        values = typed_values(pairs, lambda: client.workflows.get(name).get("parameters") or {})
        started = client.workflows.run(name, values)
        if no_wait:
            if as_json:
                screen().json(started)
            else:
                screen().line(str(started["id"]))
            return
        _finish(context, client, str(started["id"]), wait_timeout, as_json=as_json)


@workflow.command()
@click.argument("name", required=False, shell_complete=workflows_like)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Number of runs.")
@full_option
@json_option
def runs(name: str | None, limit: int, full: bool, as_json: bool) -> None:
    """List the newest runs, of one workflow or of all."""
    with connect() as client:
        answer = client.workflows.runs(name, limit=limit)
    show_table(
        answer,
        RUN_COLUMNS,
        answer["runs"],
        run_row,
        empty="No runs; `jobqueue workflow run NAME` starts one.",
        as_json=as_json,
        full=full,
    )


@workflow.command()
@_run
@_timeout
@json_option
@click.pass_context
def watch(context: click.Context, word: str, wait_timeout: float | None, as_json: bool) -> None:
    """Wait for the end of a run, and show the state of its nodes.

    A line on standard error says what each node does. Exit code as of `jobqueue workflow run`.
    """
    with connect() as client:
        _finish(context, client, _run_id(client, word), wait_timeout, as_json=as_json)


@workflow.command()
@_run
@json_option
def cancel(word: str, as_json: bool) -> None:
    """Cancel a run: its jobs are cancelled, and nothing else of it starts."""
    with connect() as client:
        _show(client.workflows.cancel(_run_id(client, word)), as_json=as_json)


@workflow.command()
@_run
@_timeout
@click.option("--no-wait", is_flag=True, help="Start it again, show it and exit.")
@json_option
@click.pass_context
def retry(context: click.Context, word: str, wait_timeout: float | None, no_wait: bool, as_json: bool) -> None:
    """Run an ended run again, from the nodes that failed or were cancelled.

    These nodes and all that need them run again, with your permissions; nodes that have completed do not.
    """
    with connect() as client:
        again = client.workflows.retry(_run_id(client, word))
        if no_wait:
            _show(again, as_json=as_json)
            return
        _finish(context, client, str(again["id"]), wait_timeout, as_json=as_json)


def _finish(context: click.Context, client: Client, run_id: str, timeout: float | None, *, as_json: bool) -> None:
    """Wait for a run, print it, and exit with the code of its status."""
    try:
        ended = client.workflows.wait(run_id, timeout, on_poll=NodeNews())
    except WaitTimeout as error:
        complain(error.message)
        context.exit(EXIT_JOB_FAILED)
    _show(ended, as_json=as_json)
    if ended.get("status") not in GOOD_STATUSES:
        context.exit(EXIT_JOB_FAILED)


def _show(run: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen().json(run)
    else:
        show_run(screen(), run)


def _run_id(client: Client, word: str) -> str:
    """The id of the run that ``word`` means: a whole id, or the beginning of one among the newest runs."""
    start = word.lower()
    if _ID.fullmatch(start) or len(start) < _SHORTEST:
        return start
    ids = [str(run["id"]) for run in client.workflows.runs(limit=_MOST_RUNS)["runs"]]
    matches = [run_id for run_id in ids if run_id.startswith(start)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InvalidInput(f"The ids of several runs begin with {word}: {', '.join(matches)}. Give more characters.")
    raise InvalidInput(
        f"No run has the id {word!r} among the newest {len(ids)}; give the whole id. `jobqueue workflow runs` lists "
        "them."
    )


def _row(_: Screen, document: Mapping[str, Any]) -> list[Any]:
    return [
        document.get("name"),
        document.get("version"),
        len(document.get("nodes") or ()),
        ", ".join(map(one_line, document.get("parameters") or ())),
        document.get("changed_by"),
        document.get("managed_by"),
        document.get("title"),
    ]
