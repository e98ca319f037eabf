"""``jobqueue file``: files stored as objects, which hosts deploy."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.commands.run import run
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import data_pair, full_option, json_option, yes_option
from jobqueue.cli.views.file_view import COLUMNS, STALE, VERSIONS, file_row, stale_row, version_row
from jobqueue.cli.views.output import screen
from jobqueue.cli.views.text import one_line
from jobqueue.model.stored_object import RAW, TEMPLATE
from jobqueue.plain_text import reason_of

_OPERATION = "file.deploy.execute"
_name = click.argument("name")


@click.group(cls=ClientGroup)
def file() -> None:
    """Store files as objects with versions, deploy them on hosts, and list deployments that are older."""


@file.command()
@_name
@click.argument("path", metavar="FILE", type=click.Path(allow_dash=True))
@click.option("--template", is_flag=True, help="It is a Jinja2 template, rendered on each host.")
@click.option("--force", is_flag=True, help="Make a new version also of the same content.")
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
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {reason_of(error)}.") from error
    if as_json:
        screen().json(stored)
        return
    state = "stored" if stored.get("changed") else "unchanged"
    screen().line(f"{one_line(stored.get('name'))}  version {stored.get('version')}  {state}")


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
    out.table(COLUMNS, [file_row(out, one) for one in files])


@file.command()
@_name
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show an object with the versions that are kept, newest first."""
    with connect() as client:
        found = client.files.get(name)
    out = screen()
    if as_json:
        out.json(found)
        return
    out.line(f"{one_line(found.get('name'))}  deployed at {found.get('deployments')} paths of hosts")
    out.table(VERSIONS, [version_row(out, one) for one in found.get("versions", ())])


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
        target = Path(output)
        try:
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as new:
                try:
                    client.files.download(name, new, version)
                except BaseException:
                    Path(new.name).unlink()
                    raise
            umask = os.umask(0)
            os.umask(umask)
            Path(new.name).chmod(0o666 & ~umask)
            Path(new.name).replace(target)
        except OSError as error:
            raise click.UsageError(f"{output} cannot be written: {reason_of(error)}.") from error


@file.command()
@_name
@click.option("--force", is_flag=True, help="Also if it is deployed; deployed files stay.")
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
        found = list(client.files.stale())
    out = screen(full=full)
    if as_json:
        out.json({"stale": found, "total": len(found)})
        return
    out.table(STALE, [stale_row(out, one) for one in found])


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
    "--validate", metavar="COMMAND", help="Check the new file, %s, before it is put in place: 'nginx -t -c %s'."
)
@click.option("--backup", is_flag=True, help="Keep the file that is replaced beside it.")
@click.option("--create-parents", is_flag=True, help="Make missing directories.")
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
