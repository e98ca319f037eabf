"""``jobqueue file``: files stored as objects, which hosts deploy, and files that hosts send."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.candidates import files_like, targets_like
from jobqueue.cli.commands.run import run
from jobqueue.cli.connection import EXIT_INTERRUPTED, ClientGroup, connect
from jobqueue.cli.finishing import EXIT_JOB_FAILED, GOOD_STATUSES
from jobqueue.cli.interrupt import settle_interrupted
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.local_file import write_whole
from jobqueue.cli.parameters import data_pair, duration, full_option, json_option, yes_option
from jobqueue.cli.views.answers import answers, show_answers
from jobqueue.cli.views.file_view import COLUMNS, STALE, VERSIONS, file_row, stale_row, version_row
from jobqueue.cli.views.output import complain, screen
from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.totals import totals
from jobqueue.cli.work import Work, target_of
from jobqueue.client import ApiError, Client, WaitTimeout
from jobqueue.model.fetched_file import NOT_INCLUDED
from jobqueue.model.stored_object import RAW, TEMPLATE
from jobqueue.plain_text import reason_of

_OPERATION, _FETCH = "file.deploy.execute", "file.fetch"
_name = click.argument("name", shell_complete=files_like)


@click.group(cls=ClientGroup)
def file() -> None:
    """Store files as objects with versions, deploy them on hosts, list older deployments; fetch files from hosts."""


@file.command()
@_name
@click.argument("path", metavar="FILE", type=click.Path(allow_dash=True))
@click.option("--template", is_flag=True, help="The file is a Jinja2 template, rendered on each host.")
@click.option("--force", is_flag=True, help="Store a new version even if the content is the same.")
@json_option
def put(name: str, path: str, *, template: bool, force: bool, as_json: bool) -> None:
    """Upload a local file (- reads standard input) as the newest version of an object.

    \b
    jobqueue file put nginx.conf ./nginx.conf.j2 --template
    """
    source: bytes | Path = sys.stdin.buffer.read() if path == "-" else Path(path)
    try:
        with connect() as client:
            stored = client.files.put(name, source, content_type=TEMPLATE if template else RAW, force=force)
            was_template = not template and bool(stored.get("changed")) and _was_template(client, name)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {reason_of(error)}.") from error
    if as_json:
        screen().json(stored)
        return
    state = "stored" if stored.get("changed") else "unchanged"
    screen().line(f"{one_line(stored.get('name'))}  version {stored.get('version')}  {state}")
    if was_template:
        click.echo("Note: the version before was a template, and this one is not; --template makes it one.", err=True)


def _was_template(client: Client, name: str) -> bool:
    """Whether the version before the newest one is a template."""
    try:
        versions = list(client.files.get(name).get("versions") or ())
    except ApiError:  # a caller may be allowed to store objects, and not to see them
        return False
    return len(versions) > 1 and versions[1].get("content_type") == TEMPLATE


@file.command("list")
@full_option
@json_option
def list_files(*, full: bool, as_json: bool) -> None:
    """List all objects by name, with their newest version."""
    with connect() as client:
        files = list(client.files.list())
    out = screen(full=full)
    if as_json:
        out.json({"files": files, "total": len(files)})
        return
    out.table(COLUMNS, [file_row(out, stored) for stored in files], empty="No objects; `jobqueue file put` stores one.")


@file.command()
@_name
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show an object with the versions that are kept, newest first."""
    with connect() as client:
        stored = client.files.get(name)
    out = screen()
    if as_json:
        out.json(stored)
        return
    paths = stored.get("deployments")
    out.line(f"{one_line(stored.get('name'))}  deployed at {paths} {'path' if paths == 1 else 'paths'} of hosts")
    out.table(VERSIONS, [version_row(out, version) for version in stored.get("versions", ())])


@file.command()
@_name
@click.option("--version", type=click.IntRange(1), help="Default: the newest.")
@click.option("--output", "-o", type=click.Path(), metavar="FILE", help="Default: standard output.")
def get(name: str, version: int | None, output: str | None) -> None:
    """Download the content of an object."""
    with connect() as client:
        if output is None:
            client.files.download(name, sys.stdout.buffer, version)
            sys.stdout.buffer.flush()
            return
        write_whole(output, lambda new: client.files.download(name, new, version))


@file.command()
@_name
@click.option("--force", is_flag=True, help="Delete it even if it is deployed; deployed files stay.")
@yes_option
def delete(name: str, *, force: bool, yes: bool) -> None:
    """Delete an object with all versions."""
    if not yes:
        click.confirm(f"Delete the object {name} with all versions?", abort=True, err=True)
    with connect() as client:
        client.files.delete(name, force=force)


@file.command()
@full_option
@json_option
def stale(*, full: bool, as_json: bool) -> None:
    """List deployments that are older than their objects, by host and path."""
    with connect() as client:
        deployments = list(client.files.stale())
    out = screen(full=full)
    if as_json:
        out.json({"stale": deployments, "total": len(deployments)})
        return
    out.table(STALE, [stale_row(out, deployment) for deployment in deployments], empty="No older deployments.")


@file.command(context_settings={"ignore_unknown_options": True})
@_name
@click.argument("path")
@click.option("--version", type=click.IntRange(1), help="The version; default: the newest.")
@click.option("--mode", metavar="OCTAL", help="Such as 0644; default: unchanged, or 0644 for a new file.")
@click.option("--owner", metavar="USER", help="Default: unchanged.")
@click.option("--group", "file_group", metavar="GROUP", help="Default: unchanged.")
@click.option(
    "--var", "variables", type=data_pair, multiple=True, metavar="KEY=VALUE", help="A variable of a template."
)
@click.option(
    "--validate",
    metavar="COMMAND",
    help="Command that checks the new file (%s) before it is put in place: 'nginx -t -c %s'.",
)
@click.option("--backup", is_flag=True, help="Keep the replaced file beside the new one.")
@click.option("--create-parents", is_flag=True, help="Create missing directories.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF jobqueue run]")
@click.pass_context
def deploy(context: click.Context, /, name: str, path: str, options: Sequence[str], **fields: Any) -> None:
    """Deploy an object at PATH of hosts. All options of `jobqueue run` work, such as --on, --check, --diff, --batch.

    \b
    jobqueue file deploy nginx.conf /etc/nginx/nginx.conf --on group:web --validate 'nginx -t -c %s' --check --diff
    """
    data = {
        "object": name,
        "path": path,
        **{field: fields[field] for field in ("version", "mode", "owner", "validate") if fields[field] is not None},
        **({"group": fields["file_group"]} if fields["file_group"] is not None else {}),
        **{field: True for field in ("backup", "create_parents") if fields[field]},
        **({"vars": dict(fields["variables"])} if fields["variables"] else {}),
    }
    pairs = [part for field, value in data.items() for part in ("-d", f"{field}:={json.dumps(value)}")]
    with run.make_context("run", [_OPERATION, *pairs, *options], parent=context) as inner:
        run.invoke(inner)


@file.command()
@click.argument("path")
@click.option(
    "--on",
    "targets",
    metavar="TARGET",
    multiple=True,
    required=True,
    shell_complete=targets_like,
    help="The hosts that send their files; may be repeated.",
)
@click.option("--output", "-o", type=click.Path(), metavar="FILE", required=True, help="The archive to write (.zip).")
@click.option("--max-files", type=click.IntRange(1), help="A host with more files sends none. Default: 100.")
@click.option(
    "--max-bytes", type=click.IntRange(1), help="A host whose files have more bytes sends none. Default: 16 MiB."
)
@click.option(
    "--max-total-bytes", type=click.IntRange(1), help="Bytes of all hosts, which get equal shares. Default: 256 MiB."
)
@click.option("--timeout", type=duration, metavar="DURATION", help="Maximum run time on a host, such as 30s.")
@click.option("--wait-timeout", type=duration, metavar="DURATION", help="Stop waiting after this time.")
@json_option
@click.pass_context
def fetch(
    context: click.Context,
    /,
    path: str,
    targets: Sequence[str],
    output: str,
    timeout: float | None,
    wait_timeout: float | None,
    as_json: bool,
    **limits: int | None,
) -> None:
    """Fetch files from hosts into one zip archive, as hostname/path.

    PATH is absolute; its names may have the wildcards *, ? and [...], quoted for the shell.

    \b
    jobqueue file fetch '/var/log/nginx/*.log' --on group:web -o logs.zip

    Exit code: 0 all hosts have sent their files, 1 others (the archive has those that came), 2 usage or connection.
    """
    data = {"path": path, **{name: value for name, value in limits.items() if value is not None}}
    target = target_of(targets, Work(_FETCH, data, changes=False, label=f"The operation {_FETCH}"))
    with connect() as client:
        job_id = str(client.submit(_FETCH, data, target, timeout_seconds=timeout)["job_id"])
        click.echo(f"Job {one_line(job_id)}", err=True)
        try:
            job = client.wait(job_id, wait_timeout)
        except WaitTimeout as error:
            again = f"jobqueue file fetched {job_id} -o {one_line(output)}"
            complain(f"The job did not end within {wait_timeout:g} s and continues; once it has ended: {again}")
            click.echo(totals(error.job, answers(error.job)), err=True)
            context.exit(EXIT_JOB_FAILED)
        except KeyboardInterrupt:
            settle_interrupted(client, job_id)
            context.exit(EXIT_INTERRUPTED)
        write_whole(output, lambda new: client.files.fetched(job_id, new))
    host_answers = answers(job)
    if as_json:
        screen().json(job)
    elif len(host_answers) > 1:  # of a single host, the last line has the error
        show_answers(screen(), [answer for answer in host_answers if answer.error])
    click.echo(totals(job, host_answers), err=True)
    _name_archive(output)
    context.exit(0 if job["status"] in GOOD_STATUSES else EXIT_JOB_FAILED)


@file.command()
@click.argument("job_id", metavar="JOB")
@click.option("--output", "-o", type=click.Path(), metavar="FILE", required=True, help="The archive to write (.zip).")
def fetched(job_id: str, output: str) -> None:
    """Download the files that hosts have sent for a job of file.fetch."""
    with connect() as client:
        whole_id = job_id_of(client, job_id)
        write_whole(output, lambda new: client.files.fetched(whole_id, new))
    _name_archive(output)


def _name_archive(output: str) -> None:
    """Say where the files are, and how many."""
    if not Path(output).is_file() or not zipfile.is_zipfile(output):  # a device, or an API of another version
        return
    with zipfile.ZipFile(output) as archive:
        count = len({*archive.namelist()} - {NOT_INCLUDED})
    click.echo(f"{one_line(output)}: {count} {'file' if count == 1 else 'files'}", err=True)
