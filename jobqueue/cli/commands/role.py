"""``jobqueue role``: names for sets of permissions."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.output import Column, screen
from jobqueue.cli.views.text import one_line

_COLUMNS = (Column("NAME", uncut=True), Column("BUILT IN", uncut=True), Column("PERMISSIONS", wrap=True))


@click.group(cls=ClientGroup)
def role() -> None:
    """Manage roles, which are named sets of permissions."""


@role.command()
@click.argument("name")
@click.argument("permissions", metavar="PERMISSION...", nargs=-1, required=True)
@json_option
def create(name: str, permissions: Sequence[str], as_json: bool) -> None:
    """Create a role: jobqueue role create deployer job:write file:write."""
    with connect() as client:
        made = client.create_role(name, permissions)
    if as_json:
        screen().json(made)
    else:
        screen().line(f"{one_line(made.get('name'))}  {one_line(' '.join(made.get('permissions') or ()))}")


@role.command("list")
@json_option
def list_roles(as_json: bool) -> None:
    """List all roles."""
    with connect() as client:
        page = client.roles()
    out = screen()
    if as_json:
        out.json(page)
        return
    rows = [[item.get("name"), item.get("builtin"), " ".join(item.get("permissions") or ())] for item in page["roles"]]
    out.table(_COLUMNS, rows)


@role.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def delete(names: Sequence[str]) -> None:
    """Remove unused roles."""
    with connect() as client:
        for name in names:
            client.delete_role(name)
            screen().line(f"{one_line(name)}  deleted")
