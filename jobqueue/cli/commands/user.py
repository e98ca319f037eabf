"""``jobqueue user``: credentials for people."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobqueue.cli.access import COLUMNS, grants, row, show_secret
from jobqueue.cli.candidates import users_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import for_each, name_each
from jobqueue.cli.parameters import TextFile, json_option
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.output import Column, screen
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client

# a password on the command line could be read by every user of the machine
_password = click.option(
    "--password-file",
    type=TextFile(),
    metavar="FILE",
    help="Read the password from FILE (- for stdin). Default: generate one and print it.",
)
_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=users_like)


@click.group(cls=ClientGroup)
def user() -> None:
    """Manage users, the credentials of people."""


@user.command()
@click.argument("name")
@grants
@_password
@json_option
def create(
    name: str,
    roles: Sequence[str],
    permissions: Sequence[str],
    expires_at: str | None,
    password_file: str | None,
    as_json: bool,
) -> None:
    """Create a user."""
    with connect() as client:
        user = client.create_user(
            name, _without_line_end(password_file), roles=roles, permissions=permissions, expires_at=expires_at
        )
    if as_json:
        screen().json(user)
    elif user["password"] is not None:
        show_secret(user["password"], f"the password of {one_line(name)}")
    else:
        screen().line(f"{one_line(name)}  created")


@user.command("list")
@json_option
def list_users(as_json: bool) -> None:
    """List all users."""
    with connect() as client:
        page = client.users()
    columns = (Column("NAME", uncut=True), *COLUMNS)
    show_table(
        page,
        columns,
        page["users"],
        lambda out, user: [user.get("name"), *row(out, user)],
        empty="No users; `jobqueue user create` creates one.",
        as_json=as_json,
    )


@user.command()
@click.argument("name", shell_complete=users_like)
@_password
def password(name: str, password_file: str | None) -> None:
    """Set a new password for a user. The old one stops working."""
    with connect() as client:
        new_password = client.set_password(name, _without_line_end(password_file))["password"]
    if new_password is not None:
        show_secret(new_password, f"the new password of {one_line(name)}")
    else:
        screen().line(f"{one_line(name)}  has the new password")


@user.command()
@_names
@json_option
def disable(names: Sequence[str], as_json: bool) -> None:
    """Disable users."""
    for_each(names, Client.disable_user, lambda changed: f"{one_line(changed.get('name'))}  disabled", as_json=as_json)


@user.command()
@_names
@json_option
def enable(names: Sequence[str], as_json: bool) -> None:
    """Enable users again."""
    for_each(names, Client.enable_user, lambda changed: f"{one_line(changed.get('name'))}  enabled", as_json=as_json)


@user.command()
@_names
def delete(names: Sequence[str]) -> None:
    """Delete users."""
    name_each(names, Client.delete_user, "deleted")


def _without_line_end(text: str | None) -> str | None:
    return None if text is None else text.removesuffix("\n").removesuffix("\r")
