"""``jobqueue role``: names for sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import roles_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import name_each
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.answer_view import show_line, show_table
from jobqueue.cli.views.output import Column
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client

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
        role = client.create_role(name, permissions)
    show_line(role, f"{one_line(role.get('name'))}  {one_line(_permissions(role))}", as_json=as_json)


@role.command("list")
@json_option
def list_roles(as_json: bool) -> None:
    """List all roles."""
    with connect() as client:
        page = client.roles()
    show_table(
        page,
        _COLUMNS,
        page["roles"],
        lambda _, role: [role.get("name"), role.get("builtin"), _permissions(role)],
        empty="No roles.",
        as_json=as_json,
    )


@role.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=roles_like)
def delete(names: Sequence[str]) -> None:
    """Delete unused roles."""
    name_each(names, Client.delete_role, "deleted")


def _permissions(role: Mapping[str, Any]) -> str:
    return " ".join(role.get("permissions") or ())
